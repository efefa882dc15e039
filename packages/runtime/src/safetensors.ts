// Safetensors files (https://huggingface.co/docs/safetensors): the format in which weights are exchanged. Read in
// pieces straight into each tensor's own memory and written from there, so that the data is never held twice.
import { constants, open, type FileHandle } from 'node:fs/promises';
import { writeAtomic } from './atomic.ts';
import { arrayOf, bytesOf } from './dtypes.ts';
import { widen } from './half.ts';
import { problem, type HostTensor } from './host-tensor.ts';
import {
  fileTypes,
  headerLength,
  longestHeader,
  parseHeader,
  quote,
  SafetensorsError,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from './safetensors-header.ts';

/** What to read, and how. */
export interface ReadSafetensorsOptions {
  /** Only these tensors, by name or by a test of the name; all unless given. */
  readonly names?: Iterable<string> | ((name: string) => boolean);
  /** Give float16 and bfloat16 as float32 of the same values; false unless given. */
  readonly widen?: boolean;
  readonly signal?: AbortSignal;
  /** Called after every piece with bytes read so far and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Extras of a file to write. */
export interface WriteSafetensorsOptions {
  /** Notes for the file's `__metadata__`. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Called after every piece with bytes written so far and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Tensors by name, in the order of the file's header, and the file's notes. */
export interface Safetensors {
  tensors: Map<string, HostTensor>;
  metadata: Record<string, string>;
}

/** Bytes per read or write: few calls, yet an abort is noticed soon. Node refuses more than 2 GB at once. */
const piece = 2 ** 26;

/**
 * Reads tensors from a safetensors file, each into its own memory. Files may be larger than 4 GB.
 *
 * @throws SafetensorsError where the file is not what its header says, or a name isn't in it; an Error of the file
 *   system where it can't be opened; the signal's reason where it was aborted.
 */
export function readSafetensors(path: string, o: ReadSafetensorsOptions = {}): Promise<Safetensors> {
  return withFile(path, async (file, { tensors, metadata }, start) => {
    const wanted = choose(path, tensors, o.names);
    const total = [...wanted.values()].reduce((sum, { begin, end }) => sum + end - begin, 0);
    const read = new Map<string, HostTensor>([...wanted.keys()].map((name) => [name, null as never]));
    let done = 0;
    const progress = (bytes: number): void => o.onProgress?.((done += bytes), total);
    // In the order of the data, so that the disk is read from front to back.
    for (const [name, entry] of [...wanted].sort(([, a], [, b]) => a.begin - b.begin))
      read.set(name, await readTensor(file, path, name, entry, start, o, progress));
    return { tensors: read, metadata };
  });
}

/**
 * Reads and checks only the header of a safetensors file: types, shapes and places of its tensors.
 *
 * @throws SafetensorsError where anything in it is wrong.
 */
export function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  return withFile(path, async (_, header) => header);
}

async function withFile<T>(
  path: string,
  use: (file: FileHandle, header: SafetensorsHeader, start: number) => Promise<T>,
): Promise<T> {
  // Not blocking: opening a named pipe that nobody writes to would wait for ever.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new SafetensorsError(`${path}: not a file`);
    if (stat.size < 8) throw new SafetensorsError(`${path}: ${stat.size} bytes; a safetensors file has 8 or more`);
    const first = new Uint8Array(8);
    await fill(file, path, first, 0);
    const length = headerLength(first, stat.size, path);
    const header = new Uint8Array(length);
    await fill(file, path, header, 8);
    const start = 8 + length;
    return await use(file, parseHeader(header, stat.size - start, path), start);
  } finally {
    await file.close();
  }
}

function choose(
  path: string,
  entries: ReadonlyMap<string, SafetensorsEntry>,
  names: ReadSafetensorsOptions['names'],
): ReadonlyMap<string, SafetensorsEntry> {
  if (names === undefined) return entries;
  if (typeof names === 'function') return new Map([...entries].filter(([name]) => names(name)));
  const wanted = new Set(names);
  for (const name of wanted)
    if (!entries.has(name)) {
      const some = [...entries.keys()].slice(0, 3).map(quote).join(', ');
      throw new SafetensorsError(
        `${path}: no tensor ${quote(name)}; there are ${entries.size}${some && ` (${some}${entries.size > 3 ? ', …' : ''})`}`,
      );
    }
  return new Map([...entries].filter(([name]) => wanted.has(name)));
}

async function readTensor(
  file: FileHandle,
  path: string,
  name: string,
  { dtype, shape, begin, end }: SafetensorsEntry,
  start: number,
  { signal, widen: wide = false }: ReadSafetensorsOptions,
  progress: (bytes: number) => void,
): Promise<HostTensor> {
  const type = arrayOf[dtype];
  const length = (end - begin) / type.BYTES_PER_ELEMENT;
  const half = wide && (dtype === 'float16' || dtype === 'bfloat16') ? dtype : null;
  try {
    if (!half) {
      const data = new type(length);
      await fill(file, path, bytesOf(data), start + begin, name, signal, progress);
      return { data, shape, dtype };
    }
    // Halves are read into the second half of the memory that they are widened in.
    const data = new Float32Array(length);
    const halves = new Uint16Array(data.buffer, 2 * length, length);
    await fill(file, path, bytesOf(halves), start + begin, name, signal, progress);
    return { data: widen(halves, half, data), shape, dtype: 'float32' };
  } catch (error) {
    // The size is what the file has, so this is a file larger than the memory, not a lie in the header.
    if (error instanceof RangeError)
      throw new SafetensorsError(`${path}: tensor ${quote(name)}: no memory for its ${end - begin} bytes`, {
        cause: error,
      });
    throw error;
  }
}

// Reads as many bytes as the array holds.
async function fill(
  file: FileHandle,
  path: string,
  bytes: Uint8Array,
  position: number,
  name?: string,
  signal?: AbortSignal,
  progress?: (bytes: number) => void,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(bytes, at, Math.min(piece, bytes.length - at), position + at);
    if (!bytesRead)
      throw new SafetensorsError(
        `${path}: ${name === undefined ? 'the header' : `tensor ${quote(name)}`} ends after ${at} of ${bytes.length} bytes; the file was cut short while it was read`,
      );
    at += bytesRead;
    progress?.(bytesRead);
  }
}

/**
 * Writes tensors to a safetensors file: whole, or not at all. The data is written from where it lies; don't change it
 * until the promise resolves. Types of more bytes come first, so that every tensor starts at a multiple of its size.
 *
 * @throws SafetensorsError where a tensor's data don't fill its shape or a name can't be written.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, HostTensor>,
  o: WriteSafetensorsOptions = {},
): Promise<void> {
  const order = [...tensors].sort(([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  const header = encodeHeader(path, order, o.metadata);
  const total = order.reduce((sum, [, { data }]) => sum + data.byteLength, header.length);
  let done = 0;
  await writeAtomic(path, async (file) => {
    for (const bytes of [header, ...order.map(([, { data }]) => bytesOf(data))])
      for (let at = 0; at < bytes.length;) {
        o.signal?.throwIfAborted();
        const { bytesWritten } = await file.write(bytes, at, Math.min(piece, bytes.length - at));
        at += bytesWritten;
        o.onProgress?.((done += bytesWritten), total);
      }
  });
}

const typeNames = new Map(Object.entries(fileTypes).map(([name, dtype]) => [dtype, name]));

// The 8 bytes of length and the JSON, padded with spaces so that the data starts at a multiple of 8.
function encodeHeader(
  path: string,
  tensors: readonly [string, HostTensor][],
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const fields: string[] = [];
  const add = (key: string, value: unknown): number => fields.push(`${JSON.stringify(key)}:${JSON.stringify(value)}`);
  for (const [key, text] of Object.entries(metadata ?? {}))
    if (typeof text !== 'string')
      throw new SafetensorsError(`${path}: metadata ${quote(key)} is ${typeof text}; needs a text`);
  if (metadata) add('__metadata__', metadata);
  let at = 0;
  for (const [name, tensor] of tensors) {
    if (name === '__metadata__')
      throw new SafetensorsError(
        `${path}: a tensor can't be called __metadata__; the format keeps that name for itself`,
      );
    if (/\p{Surrogate}/u.test(name))
      throw new SafetensorsError(`${path}: tensor ${quote(name)}: the name holds half a character`);
    const why = problem(tensor);
    if (why) throw new SafetensorsError(`${path}: tensor ${quote(name)}: ${why}`);
    add(name, {
      dtype: typeNames.get(tensor.dtype),
      shape: tensor.shape,
      data_offsets: [at, (at += tensor.data.byteLength)],
    });
  }
  const json = new TextEncoder().encode(`{${fields.join(',')}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > longestHeader)
    throw new SafetensorsError(
      `${path}: the header would be ${length} bytes long; readers refuse more than ${longestHeader}`,
    );
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  return bytes;
}
