// Writes a graph as an ONNX file; large constants go to a file beside it, so that a model may have more than 2 GiB.
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Tensor } from '../tensor.ts';
import { OnnxError } from './error.ts';
import { encode, nameAll, type Place } from './model.ts';
import { bytesOf, type NamedConstant } from './names.ts';
import type { OnnxOptions } from './write.ts';

/** How a model file is written. */
export interface OnnxFileOptions extends OnnxOptions {
  /** When constants leave the model for a file beside it. */
  readonly externalData?: {
    /** What is added to the model's name; `.data` unless given. */
    readonly suffix?: string;
    /** Only where all constants together have more bytes than this; 1 GiB unless given, 0 for always. */
    readonly limit?: number;
    /** Only constants of at least this many bytes; 4096 unless given. */
    readonly threshold?: number;
  };
  /** Stops writing; nothing new is left behind. */
  readonly signal?: AbortSignal;
}

// ONNX Runtime maps constants into memory where they start on a page.
const page = 4096;

/**
 * Writes the model that computes the named outputs. Both files appear only once they are whole. Where the model has a
 * data file, one of before is replaced together with its model: a crash may leave no model, never one with wrong data.
 *
 * @throws as `toOnnx` does, and where the files can't be written.
 */
export async function writeOnnx(
  path: string,
  outputs: Readonly<Record<string, Tensor>>,
  o: OnnxFileOptions = {},
): Promise<void> {
  const { limit = 2 ** 30, threshold = page, suffix = '.data' } = o.externalData ?? {};
  for (const [key, value] of Object.entries({ limit, threshold }))
    if (!(value >= 0)) throw new OnnxError(`writeOnnx: externalData.${key} is ${value}; needs bytes`);
  const names = nameAll(outputs, o);
  const total = names.constants.reduce((n, { tensor }) => n + tensor.data!.byteLength, 0);
  const outside = names.constants.filter(
    ({ tensor }) => total > limit && tensor.data!.byteLength >= Math.max(1, threshold),
  );
  const location = `${basename(path)}${suffix}`;
  const places = new Map<string, Place>();
  let end = 0;
  for (const { name, tensor } of outside) {
    const offset = Math.ceil(end / page) * page;
    const length = tensor.data!.byteLength;
    places.set(name, { location, offset, length });
    end = offset + length;
  }
  const model = encode(outputs, names, o, places);
  o.signal?.throwIfAborted();

  const dataPath = join(dirname(resolve(path)), location);
  const temporary = [temporaryName(path), temporaryName(dataPath)] as const;
  try {
    await written(temporary[0], (file) => pour(file, model, 0, o.signal));
    if (outside.length) {
      await written(temporary[1], (file) => pourConstants(file, outside, places, o.signal));
      // A model of before reads the data of before, so it goes first.
      await rm(path, { force: true });
      await rename(temporary[1], dataPath);
    }
    await rename(temporary[0], path);
  } catch (error) {
    for (const t of temporary) await rm(t, { force: true });
    throw error;
  }
}

let serial = 0;
const temporaryName = (path: string): string =>
  join(dirname(resolve(path)), `.${basename(path)}.${process.pid}-${serial++}.tmp`);

async function written(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await write(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function pourConstants(
  file: FileHandle,
  constants: readonly NamedConstant[],
  places: ReadonlyMap<string, Place>,
  signal: AbortSignal | undefined,
): Promise<void> {
  // What lies between the pages stays unwritten, which reads as zeros.
  for (const { name, tensor } of constants) await pour(file, bytesOf(tensor.data!), places.get(name)!.offset, signal);
}

async function pour(
  file: FileHandle,
  bytes: Uint8Array,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    signal?.throwIfAborted();
    const { bytesWritten } = await file.write(bytes, at, Math.min(bytes.length - at, 2 ** 26), offset + at);
    at += bytesWritten;
  }
}
