// Vectors in a file, in blocks of so many rows that each is some hundred kilobytes: scales, lengths, values, and a CRC-32 at
// the end. A block is read by itself, by its place.
import { crc32 } from 'node:zlib';
import { BlockCache } from './block-cache.ts';
import { FileWriter } from './file-writer.ts';
import { OpenFile } from './open-file.ts';
import { emptyRows, valueBytes, type VectorRows, type VectorType } from './vector-rows.ts';

const usualBlockBytes = 2 ** 17;

/** How many rows stand in a block. */
export const rowsPerBlock = (type: VectorType, D: number): number =>
  Math.max(1, Math.floor(usualBlockBytes / (D * valueBytes(type) + 16)));

// A block of rows; the CRC-32 stands in four of the last eight bytes, so that the next block's numbers are aligned.
const blockBytes = (type: VectorType, D: number, rows: number): number =>
  8 * Math.ceil((rows * (16 + D * valueBytes(type))) / 8) + 8;

/** What a file of vectors holds. */
export interface VectorLayout {
  readonly type: VectorType;
  readonly D: number;
  readonly count: number;
}

/** The bytes of a file of vectors. */
export function vectorFileBytes({ type, D, count }: VectorLayout): number {
  const R = rowsPerBlock(type, D);
  const rest = count % R;
  return Math.floor(count / R) * blockBytes(type, D, R) + (rest ? blockBytes(type, D, rest) : 0);
}

/** Reads vectors. */
export class VectorFile {
  readonly rowsPerBlock: number;
  readonly #file: OpenFile;
  readonly #layout: VectorLayout;
  readonly #blocks: BlockCache<VectorRows>;

  private constructor(file: OpenFile, layout: VectorLayout, cacheBytes: number) {
    this.#file = file;
    this.#layout = layout;
    this.rowsPerBlock = rowsPerBlock(layout.type, layout.D);
    const most = Math.floor(cacheBytes / blockBytes(layout.type, layout.D, this.rowsPerBlock));
    this.#blocks = new BlockCache((n) => this.#read(n), most, 'first');
  }

  static async open(path: string, layout: VectorLayout, cacheBytes: number): Promise<VectorFile> {
    return new VectorFile(await OpenFile.open(path, vectorFileBytes(layout), 0), layout, cacheBytes);
  }

  /** Rows n·R to (n + 1)·R. @throws where they aren't what was written. */
  block(n: number): Promise<VectorRows> {
    return this.#blocks.get(n);
  }

  close(): void {
    this.#file.close();
  }

  async #read(n: number): Promise<VectorRows> {
    const { type, D, count } = this.#layout;
    const R = this.rowsPerBlock;
    const rows = Math.min(R, count - n * R);
    const length = blockBytes(type, D, rows);
    const bytes = await this.#file.read(n * blockBytes(type, D, R), length);
    const sum = new DataView(bytes.buffer).getUint32(length - 8, true);
    if (crc32(bytes.subarray(0, length - 8)) !== sum)
      throw new Error(
        `${this.#file.path}: vectors ${n * R} to ${n * R + rows - 1} are broken; copy the file again, or build the index anew`,
      );
    const at = 16 * rows;
    return {
      scales: new Float64Array(bytes.buffer, 0, rows),
      inverses: new Float64Array(bytes.buffer, 8 * rows, rows),
      values:
        type === 'float32' ? new Float32Array(bytes.buffer, at, rows * D) : new Int8Array(bytes.buffer, at, rows * D),
    };
  }
}

/** Writes rows of vectors as they come. */
export class VectorWriter {
  readonly #file: FileWriter;
  readonly #layout: Omit<VectorLayout, 'count'>;
  readonly #rows: VectorRows;
  readonly #most: number;
  #used = 0;

  private constructor(file: FileWriter, layout: Omit<VectorLayout, 'count'>) {
    this.#file = file;
    this.#layout = layout;
    this.#most = rowsPerBlock(layout.type, layout.D);
    this.#rows = emptyRows(layout.type, this.#most, layout.D);
  }

  static async create(path: string, layout: Omit<VectorLayout, 'count'>): Promise<VectorWriter> {
    return new VectorWriter(await FileWriter.create(path), layout);
  }

  /** Copies one row of a block. */
  async write(from: VectorRows, row: number): Promise<void> {
    const { D } = this.#layout;
    const { values, scales, inverses } = this.#rows;
    values.set(from.values.subarray(row * D, (row + 1) * D), this.#used * D);
    scales[this.#used] = from.scales[row]!;
    inverses[this.#used] = from.inverses[row]!;
    if (++this.#used === this.#most) await this.#flush();
  }

  /** Gives the bytes of the whole file. */
  async finish(): Promise<number> {
    if (this.#used) await this.#flush();
    await this.#file.finish();
    return this.#file.size;
  }

  abandon(): Promise<void> {
    return this.#file.abandon();
  }

  async #flush(): Promise<void> {
    const { type, D } = this.#layout;
    const rows = this.#used;
    const length = blockBytes(type, D, rows);
    const bytes = new Uint8Array(length);
    const copy = (from: Float64Array | Float32Array | Int8Array, count: number, at: number): void =>
      bytes.set(new Uint8Array(from.buffer, from.byteOffset, count * from.BYTES_PER_ELEMENT), at);
    copy(this.#rows.scales, rows, 0);
    copy(this.#rows.inverses, rows, 8 * rows);
    copy(this.#rows.values, rows * D, 16 * rows);
    new DataView(bytes.buffer).setUint32(length - 8, crc32(bytes.subarray(0, length - 8)), true);
    await this.#file.write(bytes);
    this.#used = 0;
  }
}
