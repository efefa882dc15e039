// Numbered records of any length in one file: their bytes one after another, then a table of where each ends and its CRC-32,
// then the place of the table. A record is read by itself, and a bit that changed in it is noticed.
import { crc32 } from 'node:zlib';
import { FileWriter } from './file-writer.ts';
import { OpenFile } from './open-file.ts';

const magic = 0x42575243; // 'BWRC'
// Where a record ends, a float64, and its CRC-32.
const entryBytes = 12;
// The magic number, the number of records, where the table begins (a float64), and the CRC-32 of these sixteen bytes.
const footerBytes = 20;

/** Reads records. */
export class RecordFile {
  readonly count: number;
  readonly #file: OpenFile;
  readonly #table: number;

  private constructor(file: OpenFile, count: number, table: number) {
    [this.#file, this.count, this.#table] = [file, count, table];
  }

  /** @throws where it isn't such a file, has other than `count` records (where that is known), or was cut short. */
  static async open(path: string, bytes: number, cacheBytes: number, count: number | null): Promise<RecordFile> {
    const file = await OpenFile.open(path, bytes, cacheBytes);
    try {
      const fail = (why: string): never => {
        throw new Error(`${path}: ${why}; the file is broken, build the index anew`);
      };
      if (bytes < footerBytes) fail(`it has ${bytes} bytes`);
      const footer = await file.read(bytes - footerBytes, footerBytes);
      const view = new DataView(footer.buffer);
      if (view.getUint32(0, true) !== magic || view.getUint32(16, true) !== crc32(footer.subarray(0, 16)))
        fail('its end isn’t that of a file of records');
      const [found, table] = [view.getUint32(4, true), view.getFloat64(8, true)];
      if (table + found * entryBytes + footerBytes !== bytes) fail(`${found} records don’t fit`);
      if (count !== null && found !== count) fail(`it has ${found} records and the index ${count}`);
      return new RecordFile(file, found, table);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** The bytes of a record; not for writing. @throws where they aren't those that were written. */
  async bytes(row: number): Promise<Uint8Array> {
    const isFirst = row === 0;
    const entries = await this.#file.view(
      this.#table + (row - (isFirst ? 0 : 1)) * entryBytes,
      entryBytes * (isFirst ? 1 : 2),
    );
    const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength);
    const from = isFirst ? 0 : view.getFloat64(0, true);
    const to = view.getFloat64(entries.length - entryBytes, true);
    const isWhole = Number.isSafeInteger(from) && Number.isSafeInteger(to) && 0 <= from && from <= to;
    if (isWhole && to <= this.#table) {
      const found = await this.#file.view(from, to - from);
      if (crc32(found) === view.getUint32(entries.length - 4, true)) return found;
    }
    throw new Error(`${this.#file.path}: record ${row} is broken; copy the file again, or build the index anew`);
  }

  /** A record as JSON; undefined for an empty one. */
  async json(row: number): Promise<unknown> {
    const text = await this.text(row);
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  }

  /** A record as text. */
  async text(row: number): Promise<string> {
    const { buffer, byteOffset, length } = await this.bytes(row);
    return Buffer.from(buffer, byteOffset, length).toString('utf8');
  }

  close(): void {
    this.#file.close();
  }
}

/** Writes records. */
export class RecordWriter {
  readonly #file: FileWriter;
  #ends: Float64Array = new Float64Array(1024);
  #sums: Uint32Array = new Uint32Array(1024);
  #count = 0;

  private constructor(file: FileWriter) {
    this.#file = file;
  }

  static async create(path: string): Promise<RecordWriter> {
    return new RecordWriter(await FileWriter.create(path));
  }

  async write(record: Uint8Array | string): Promise<void> {
    const bytes = typeof record === 'string' ? Buffer.from(record, 'utf8') : record;
    if (this.#count === this.#ends.length) {
      const [ends, sums] = [new Float64Array(2 * this.#count), new Uint32Array(2 * this.#count)];
      ends.set(this.#ends);
      sums.set(this.#sums);
      [this.#ends, this.#sums] = [ends, sums];
    }
    await this.#file.write(bytes);
    this.#ends[this.#count] = this.#file.size;
    this.#sums[this.#count++] = crc32(bytes);
  }

  /** Writes the table, and gives the bytes of the whole file. */
  async finish(): Promise<number> {
    const table = this.#file.size;
    const entries = new DataView(new ArrayBuffer(entryBytes * this.#count));
    for (let i = 0; i < this.#count; i++) {
      entries.setFloat64(i * entryBytes, this.#ends[i]!, true);
      entries.setUint32(i * entryBytes + 8, this.#sums[i]!, true);
    }
    await this.#file.write(new Uint8Array(entries.buffer));
    const footer = new DataView(new ArrayBuffer(footerBytes));
    footer.setUint32(0, magic, true);
    footer.setUint32(4, this.#count, true);
    footer.setFloat64(8, table, true);
    footer.setUint32(16, crc32(new Uint8Array(footer.buffer, 0, 16)), true);
    await this.#file.write(new Uint8Array(footer.buffer));
    await this.#file.finish();
    return this.#file.size;
  }

  abandon(): Promise<void> {
    return this.#file.abandon();
  }
}
