// The safetensors format (https://huggingface.co/docs/safetensors): eight bytes of header length, a JSON header, then the
// tensors' bytes. Read straight into their arrays and written straight from them, in pieces of any size.
import { open, type FileHandle } from 'node:fs/promises';
import type { Data, DType } from '@brickwork/graph';
import { writeAtomic } from './atomic.ts';
import type { HostTensor } from './host-tensor.ts';
import { parseHeader, safetensorsType, type Entry } from './safetensors-header.ts';

/** What a safetensors file holds. */
export interface Safetensors {
  readonly tensors: Map<string, HostTensor>;
  /** Strings that the writer added about the file. */
  readonly metadata: Record<string, string>;
}

type ArrayType = new (length: number) => Data;
const arrays: Readonly<Record<DType, ArrayType>> = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint64: BigUint64Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

// Node reads and writes at most 2 GiB at once.
const piece = 1 << 30;
const bytesOf = (data: Data): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

async function fill(file: FileHandle, into: Uint8Array, position: number): Promise<boolean> {
  for (let at = 0; at < into.length;) {
    const { bytesRead } = await file.read(into, at, Math.min(piece, into.length - at), position + at);
    if (!bytesRead) return false;
    at += bytesRead;
  }
  return true;
}

async function withHeader<T>(
  path: string,
  use: (
    file: FileHandle,
    header: { entries: Map<string, Entry>; metadata: Record<string, string>; start: number },
  ) => Promise<T>,
): Promise<T> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const length = new Uint8Array(8);
    if (size < 8 || !(await fill(file, length, 0)))
      throw new Error(`safetensors ${path}: ${size} bytes; a file has 8 or more. Is the download complete?`);
    const n = new DataView(length.buffer).getBigUint64(0, true);
    if (n > BigInt(size - 8))
      throw new Error(
        `safetensors ${path}: the header claims ${n} bytes, the file has ${size - 8} after the length. Is the download complete?`,
      );
    const header = new Uint8Array(Number(n));
    await fill(file, header, 8);
    const start = 8 + header.length;
    return await use(file, { ...parseHeader(path, header, size - start), start });
  } finally {
    await file.close();
  }
}

/**
 * Reads tensors, all or those named, each straight into its own array.
 *
 * @throws where the file is truncated, or its header isn't JSON, repeats a name, or describes tensors that overlap, leave
 * holes, reach past the end or don't have as many bytes as their shape needs.
 */
export function readSafetensors(
  path: string,
  o: { readonly names?: readonly string[]; readonly signal?: AbortSignal } = {},
): Promise<Safetensors> {
  return withHeader(path, async (file, { entries, metadata, start }) => {
    const tensors = new Map<string, HostTensor>();
    for (const name of o.names ?? entries.keys()) {
      o.signal?.throwIfAborted();
      const entry = entries.get(name);
      if (!entry) throw new Error(`safetensors ${path}: no tensor ${name}; it has ${entries.size} others`);
      const data = new arrays[entry.dtype](entry.count);
      if (!(await fill(file, bytesOf(data), start + entry.begin)))
        throw new Error(`safetensors ${path}: the file ends inside ${name}. Is the download complete?`);
      tensors.set(name, { data, shape: entry.shape, dtype: entry.dtype });
    }
    return { tensors, metadata };
  });
}

/** Shapes and types of a file's tensors, without reading their values. */
export function readSafetensorsHeader(
  path: string,
): Promise<Map<string, { readonly shape: readonly number[]; readonly dtype: DType }>> {
  return withHeader(path, async (_, { entries }) => entries);
}

/** Writes tensors in the map's order; the file appears only once it is whole. */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, HostTensor>,
  o: { readonly metadata?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const header: [string, unknown][] = o.metadata ? [['__metadata__', o.metadata]] : [];
  let end = 0;
  for (const [name, { data, shape, dtype }] of tensors) {
    if (name === '__metadata__') throw new Error('writeSafetensors: a tensor cannot be called __metadata__');
    const begin = end;
    end += data.byteLength;
    header.push([name, { dtype: safetensorsType[dtype], shape, data_offsets: [begin, end] }]);
  }
  const json = `{${header.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(',')}}`;
  const text = new TextEncoder().encode(json);
  // Spaces up to a multiple of eight, so that the tensors are aligned.
  const head = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true);
  head.set(text, 8);
  return writeAtomic(path, async (file) => {
    let position = 0;
    for (const bytes of [head, ...[...tensors.values()].map((t) => bytesOf(t.data))])
      for (let at = 0; at < bytes.length;) {
        const { bytesWritten } = await file.write(bytes, at, Math.min(piece, bytes.length - at), position);
        at += bytesWritten;
        position += bytesWritten;
      }
  });
}
