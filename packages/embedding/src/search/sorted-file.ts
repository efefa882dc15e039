// Records by a key, in its order, so that one is found by halving: the keys of a file need not be in memory.
import { RecordFile, RecordWriter } from './record-file.ts';

const encoder = new TextEncoder();

/** Reads records by their keys. */
export class SortedFile {
  readonly #file: RecordFile;
  constructor(file: RecordFile) {
    this.#file = file;
  }
  static async open(path: string, bytes: number, cacheBytes: number): Promise<SortedFile> {
    return new SortedFile(await RecordFile.open(path, bytes, cacheBytes, null));
  }
  /** What was written for a key; null where there is none. */
  async find(key: string): Promise<Uint8Array | null> {
    const wanted = encoder.encode(key);
    let [low, high] = [0, this.#file.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      const record = await this.#file.bytes(middle);
      const length = new DataView(record.buffer, record.byteOffset).getUint32(0, true);
      const order = Buffer.compare(record.subarray(4, 4 + length), wanted);
      if (order === 0) return record.subarray(4 + length);
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return null;
  }
  close(): void {
    this.#file.close();
  }
}

/** Writes entries, in any order, and gives the file's bytes. */
export async function writeSorted(
  path: string,
  entries: Iterable<readonly [key: string, value: Uint8Array]>,
): Promise<number> {
  const keyed = [...entries].map(([key, value]) => ({ key: encoder.encode(key), value }));
  keyed.sort((a, b) => Buffer.compare(a.key, b.key));
  const writer = await RecordWriter.create(path);
  try {
    for (const { key, value } of keyed) {
      const record = new Uint8Array(4 + key.length + value.length);
      new DataView(record.buffer).setUint32(0, key.length, true);
      record.set(key, 4);
      record.set(value, 4 + key.length);
      await writer.write(record);
    }
    return await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}
