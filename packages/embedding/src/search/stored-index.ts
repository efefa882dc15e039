// An index as its folder holds it: index.json, and files of vectors, records, ids and words that are read in parts.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RecordFile } from './record-file.ts';
import { SortedFile } from './sorted-file.ts';
import { VectorFile } from './vector-file.ts';
import { metrics, vectorTypes, type Metric, type VectorType } from './vector-rows.ts';
import type { Bm25Options } from './bm25.ts';
import type { ApproximateOptions } from './approximate.ts';

/** What an index is, apart from what it holds. */
export interface IndexSettings {
  /** Values of a vector; null for an index of texts alone. */
  readonly dimension: number | null;
  readonly metric: Metric;
  readonly type: VectorType;
  readonly bm25: Required<Bm25Options>;
  readonly approximate: Required<ApproximateOptions> | null;
  /** What its maker wants to know again: the encoder's name, say. */
  readonly info: Readonly<Record<string, unknown>>;
}

/** index.json. */
export interface IndexHead extends IndexSettings {
  readonly format: 'brickwork-index';
  readonly version: 1;
  readonly count: number;
  /** The bytes of each file. */
  readonly files: Readonly<Record<string, number>>;
}

/** The files of an index, open. */
export interface StoredIndex {
  readonly head: IndexHead;
  readonly vectors: VectorFile | null;
  /** Of each row `{ id, text, metadata }` as JSON. */
  readonly records: RecordFile;
  /** Of each id its row. */
  readonly ids: SortedFile;
  /** Of each word its postings. */
  readonly terms: SortedFile;
  /** Words of each row's text. */
  readonly lengths: Uint32Array;
  close(): void;
}

/** Opens a folder. @throws where it is no index, of a later version, incomplete or cut short. */
export async function openStored(folder: string, cacheBytes: number): Promise<StoredIndex> {
  const head = await readHead(folder);
  const { dimension: D, type, count, files } = head;
  const path = (name: string): string => join(folder, name);
  const sizeOf = (name: string): number => {
    const size = files[name];
    if (!(Number.isSafeInteger(size) && size! >= 0))
      throw new Error(`${path('index.json')}: the size of ${name} is ${size}; the index is broken, build it anew`);
    return size!;
  };
  const open: { close(): void }[] = [];
  const keep = <T extends { close(): void }>(one: T): T => {
    open.push(one);
    return one;
  };
  try {
    const quarter = Math.floor(cacheBytes / 8);
    const vectors =
      D === null
        ? null
        : keep(await VectorFile.open(path('vectors.bin'), { type, D, count }, cacheBytes - 3 * quarter));
    const records = keep(await RecordFile.open(path('records.bin'), sizeOf('records.bin'), quarter, count));
    const ids = keep(await SortedFile.open(path('ids.bin'), sizeOf('ids.bin'), quarter));
    const terms = keep(await SortedFile.open(path('terms.bin'), sizeOf('terms.bin'), quarter));
    const bytes = await readFile(path('lengths.bin')).catch((cause: Error) => {
      throw new Error(`${path('lengths.bin')}: ${cause.message}; the index is incomplete, build it anew`, { cause });
    });
    if (bytes.length !== 4 * count)
      throw new Error(
        `${path('lengths.bin')} has ${bytes.length} bytes; needs ${4 * count}: the file was cut short, or is another one`,
      );
    const lengths = new Uint32Array(count);
    new Uint8Array(lengths.buffer).set(bytes);
    return { head, vectors, records, ids, terms, lengths, close: () => open.forEach((one) => one.close()) };
  } catch (error) {
    for (const one of open) one.close();
    throw error;
  }
}

async function readHead(folder: string): Promise<IndexHead> {
  const path = join(folder, 'index.json');
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Error(
      `${folder} is no index: ${cause.code === 'ENOENT' || cause.code === 'ENOTDIR' ? 'it has no index.json' : cause.message}`,
      { cause },
    );
  });
  let head: IndexHead;
  try {
    head = JSON.parse(text) as IndexHead;
  } catch (cause) {
    throw new Error(`${path} is not JSON: the index is broken, build it anew`, { cause });
  }
  if (head?.format !== 'brickwork-index') throw new Error(`${folder} is no index: its index.json is of something else`);
  if (head.version !== 1)
    throw new Error(
      `${folder}: the index is of version ${String(head.version)}, and this reads version 1; update Brickwork, or build it anew`,
    );
  const { dimension: D, count, metric, type } = head;
  const isWhole = (n: unknown, least: number): boolean => Number.isSafeInteger(n) && (n as number) >= least;
  if (
    !isWhole(count, 0) ||
    (D !== null && !isWhole(D, 1)) ||
    !metrics.includes(metric) ||
    !vectorTypes.includes(type) ||
    typeof head.files !== 'object'
  )
    throw new Error(`${path}: it makes no sense; the index is broken, build it anew`);
  return head;
}
