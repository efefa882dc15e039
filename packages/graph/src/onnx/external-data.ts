// Constants that an ONNX model keeps in files beside it. Only plain files below the model's folder are read.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { OnnxError } from './error.ts';
import type { TensorProto } from './onnx_pb.ts';

/** Reads parts of the files beside a model; each is opened once. */
export class ExternalData {
  readonly #folder: string | null;
  readonly #open = new Map<string, { descriptor: number; size: number }>();

  /** @param folder the model's; null where it isn't known. */
  constructor(folder: string | null) {
    this.#folder = folder;
  }

  /** The bytes of a tensor, of which there must be `expected`. Nothing is allocated before the file is known to have them. */
  read(t: TensorProto, expected: number): Uint8Array {
    const entries = new Map(t.externalData.map(({ key, value }) => [key, value]));
    const location = entries.get('location');
    const who = `tensor ${JSON.stringify(t.name)}`;
    if (!location) throw new OnnxError(`${who} has external data without a location`);
    const number = (key: string): number | null => {
      const text = entries.get(key);
      if (text === undefined) return null;
      const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
      if (!Number.isSafeInteger(value))
        throw new OnnxError(`${who}: external ${key} is ${JSON.stringify(text)}; needs bytes`);
      return value;
    };
    const offset = number('offset') ?? 0;
    const { descriptor, size } = this.#file(location, who);
    const length = number('length') ?? Math.max(0, size - offset);
    if (length !== expected)
      throw new OnnxError(
        `${who} [${t.dims.join(', ')}] needs ${expected} bytes, but ${length} are external in ${location}`,
      );
    if (offset + length > size)
      throw new OnnxError(
        `${who}: bytes ${offset} to ${offset + length} are past the end of ${location} (${size} bytes)`,
      );
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const n = readSync(descriptor, bytes, at, Math.min(length - at, 2 ** 30), offset + at);
      if (!n) throw new OnnxError(`${who}: ${location} became shorter while it was read`);
      at += n;
    }
    return bytes;
  }

  close(): void {
    for (const { descriptor } of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
  }

  #file(location: string, who: string): { descriptor: number; size: number } {
    const known = this.#open.get(location);
    if (known) return known;
    if (/^[\\/]|^[a-z]:|\0/i.test(location) || location.split(/[\\/]/).includes('..'))
      throw new OnnxError(`${who} lies in ${JSON.stringify(location)}, outside the model's folder; that is refused`);
    if (this.#folder === null)
      throw new OnnxError(`${who} lies in the file ${location}; give fromOnnx the model's path, or its folder`);
    const path = join(this.#folder, location);
    let descriptor: number;
    try {
      // Without O_NONBLOCK a named pipe in place of the file would wait for a writer for ever.
      descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    } catch (cause) {
      throw new OnnxError(`${who}: can't read ${path}: ${(cause as Error).message}`, { cause });
    }
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) {
      closeSync(descriptor);
      throw new OnnxError(`${who}: ${path} is no plain file`);
    }
    const file = { descriptor, size: stat.size };
    this.#open.set(location, file);
    return file;
  }
}
