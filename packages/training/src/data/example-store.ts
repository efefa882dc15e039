// Encoded examples of any number and length: written once to a file, then read one by one at any place, so that data
// larger than memory can be shuffled. Node can't map files; a positional read of a cached page takes microseconds.
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeAtomic } from '@brickwork/runtime';

/** One encoded example: whole numbers by field (`input_ids`, `labels`, …), each field of a length of its own. */
export type EncodedExample = Readonly<Record<string, Int32Array>>;

/** Encoded examples, numbered from 0. */
export interface ExampleStore {
  readonly count: number;
  readonly fields: readonly string[];
  /** The same for the same examples: tells a resumed run whether it has its data. */
  readonly fingerprint: string;
  /** @throws where there is no such example, or the file is not what it was. */
  read(index: number): EncodedExample;
  /** How long each field of an example is, without reading it. */
  lengths(index: number): Readonly<Record<string, number>>;
  close(): void;
}

/** Examples in memory. */
export function memoryStore(examples: readonly EncodedExample[]): ExampleStore {
  const fields = fieldsOf(examples[0]);
  const hash = createHash('sha256');
  for (const [i, example] of examples.entries()) hashExample(hash, checkFields(example, fields, i));
  const at = (index: number): EncodedExample => examples[checkIndex(index, examples.length)]!;
  return {
    count: examples.length,
    fields,
    fingerprint: hash.digest('hex'),
    read: at,
    lengths: (index) => Object.fromEntries(Object.entries(at(index)).map(([field, values]) => [field, values.length])),
    close() {},
  };
}

const magic = 'bw-examples-1';
interface Trailer {
  readonly magic: string;
  readonly fields: readonly string[];
  readonly count: number;
  /** Byte at which the table of places begins. */
  readonly index: number;
  readonly fingerprint: string;
}
// The last bytes of the file: where the trailer begins.
const endBytes = 8;

/**
 * Writes examples as they come; the file appears once it is whole.
 *
 * Layout: for each example the lengths of its fields and then their values, all int32; the byte at which each example
 * begins, as float64; a JSON trailer; the byte at which that begins.
 *
 * @throws where an example has other fields than the first, or there is none.
 */
export async function writeExampleStore(
  path: string,
  examples: AsyncIterable<EncodedExample> | Iterable<EncodedExample>,
): Promise<void> {
  // Where examples begin: a table of millions would itself be large, so it waits in a file without a name.
  const table = await spill();
  await writeAtomic(path, async (file) => {
    const hash = createHash('sha256');
    let fields: readonly string[] | null = null;
    let count = 0;
    let at = 0;
    let waiting: Uint8Array[] = [];
    let size = 0;
    const flush = async (): Promise<void> => {
      const bytes = Buffer.concat(waiting);
      for (let done = 0; done < bytes.length;) done += (await file.write(bytes, done)).bytesWritten;
      waiting = [];
      size = 0;
    };
    const put = (bytes: Uint8Array): void => {
      waiting.push(bytes);
      size += bytes.length;
      at += bytes.length;
    };
    for await (const example of examples) {
      fields ??= fieldsOf(example);
      checkFields(example, fields, count);
      hashExample(hash, example);
      await table.add(at);
      count++;
      put(bytesOf(Int32Array.from(fields, (field) => example[field]!.length)));
      for (const field of fields) put(bytesOf(example[field]!));
      if (size > 2 ** 22) await flush();
    }
    if (!fields) throw new Error(`${path}: there are no examples to write`);
    put(new Uint8Array((8 - (at % 8)) % 8));
    const index = at;
    for await (const places of table.all()) {
      put(places);
      await flush();
    }
    const trailer: Trailer = { magic, fields, count, index, fingerprint: hash.digest('hex') };
    const begin = at;
    put(Buffer.from(JSON.stringify(trailer)));
    put(bytesOf(Float64Array.of(begin)));
    await flush();
  }).finally(() => table.close());
}

// Numbers kept in memory up to a point, then in a temporary file, which is gone when it is closed.
interface Spill {
  add(value: number): Promise<void>;
  /** All of them as bytes, in pieces. */
  all(): AsyncGenerator<Uint8Array, void, undefined>;
  close(): Promise<void>;
}
async function spill(): Promise<Spill> {
  const values = new Float64Array(2 ** 17);
  let held = 0;
  let folder: string | null = null;
  let file: FileHandle | null = null;
  return {
    async add(value) {
      if (held === values.length) {
        folder ??= await mkdtemp(join(tmpdir(), 'brickwork-table-'));
        file ??= await open(join(folder, 'places'), 'w+');
        await file.appendFile(bytesOf(values));
        held = 0;
      }
      values[held++] = value;
    },
    async *all() {
      const { size } = (await file?.stat()) ?? { size: 0 };
      for (let at = 0; at < size;) {
        const { bytesRead, buffer } = await file!.read(new Uint8Array(2 ** 20), 0, 2 ** 20, at);
        if (!bytesRead) throw new Error('examples: the table of places was cut short');
        yield buffer.subarray(0, bytesRead);
        at += bytesRead;
      }
      yield bytesOf(values.slice(0, held));
    },
    async close() {
      await file?.close();
      if (folder !== null) await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Opens a file of {@link writeExampleStore}; it stays open until `close`.
 *
 * @throws where there is none, or it is not whole.
 */
export function openExampleStore(path: string): ExampleStore {
  const file = openSync(path, 'r');
  const broken = (why: string): never => {
    closeSync(file);
    throw new Error(`${path} is not a whole file of examples (${why}); delete it, and it is made anew`);
  };
  const { size } = fstatSync(file);
  if (size < endBytes) return broken(`${size} bytes`);
  const bytes = (begin: number, length: number): Uint8Array => {
    const into = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const n = readSync(file, into, done, length - done, begin + done);
      if (!n) throw new Error(`${path}: was cut short while it was read`);
      done += n;
    }
    return into;
  };
  const begin = new Float64Array(bytes(size - endBytes, endBytes).buffer)[0]!;
  if (!(Number.isInteger(begin) && begin >= 0 && begin < size)) return broken('no trailer');
  let trailer: Trailer;
  try {
    trailer = JSON.parse(Buffer.from(bytes(begin, size - endBytes - begin)).toString()) as Trailer;
  } catch {
    return broken('no trailer');
  }
  const { fields, count, index, fingerprint } = trailer;
  if (trailer.magic !== magic || index + 8 * count !== begin) return broken('of another version');
  const k = fields.length;
  let isOpen = true;
  const place = (i: number): { at: number; counts: Int32Array } => {
    if (!isOpen) throw new Error(`${path}: was closed`);
    checkIndex(i, count);
    const at = new Float64Array(bytes(index + 8 * i, 8).buffer)[0]!;
    if (!(at >= 0 && at + 4 * k <= index))
      throw new Error(`${path}: example ${i} is outside; delete it, and it is made anew`);
    const counts = new Int32Array(bytes(at, 4 * k).buffer);
    if (counts.some((n) => n < 0) || at + 4 * (k + sum(counts)) > index)
      throw new Error(`${path}: example ${i} is outside; delete it, and it is made anew`);
    return { at, counts };
  };
  return {
    count,
    fields,
    fingerprint,
    lengths(i) {
      const { counts } = place(i);
      return Object.fromEntries(fields.map((field, f) => [field, counts[f]!]));
    },
    read(i) {
      const { at, counts } = place(i);
      const values = new Int32Array(bytes(at + 4 * k, 4 * sum(counts)).buffer);
      let from = 0;
      return Object.fromEntries(fields.map((field, f) => [field, values.subarray(from, (from += counts[f]!))]));
    },
    close() {
      if (isOpen) closeSync(file);
      isOpen = false;
    },
  };
}

const sum = (counts: Int32Array): number => counts.reduce((a, b) => a + b, 0);
const bytesOf = ({ buffer, byteOffset, byteLength }: Int32Array | Float64Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
const fieldsOf = (example: EncodedExample | undefined): readonly string[] => Object.keys(example ?? {});

function checkFields(example: EncodedExample, fields: readonly string[], index: number): EncodedExample {
  const own = Object.keys(example);
  if (own.length !== fields.length || fields.some((field) => !own.includes(field)))
    throw new Error(`example ${index} has the fields ${own.join(', ')}; the first has ${fields.join(', ')}`);
  return example;
}
function checkIndex(index: number, count: number): number {
  if (!(Number.isInteger(index) && index >= 0 && index < count))
    throw new Error(`examples: there is no number ${index}; there are ${count}`);
  return index;
}
function hashExample(hash: ReturnType<typeof createHash>, example: EncodedExample): void {
  for (const [field, values] of Object.entries(example)) hash.update(`/${field}/${values.length}/`).update(values);
}
