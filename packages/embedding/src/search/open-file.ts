// A file open for reading at any place. It stays readable where its folder is replaced meanwhile, and is closed where nobody
// holds it any more.
import { close, fstat, open, read } from 'node:fs';
import { promisify } from 'node:util';
import { BlockCache } from './block-cache.ts';

const [openFile, statFile, readFile] = [promisify(open), promisify(fstat), promisify(read)];
const forgotten = new FinalizationRegistry<number>((descriptor) => close(descriptor, () => {}));

const pageBytes = 2 ** 16;

/** A file that is read in parts. */
export class OpenFile {
  readonly path: string;
  readonly size: number;
  #descriptor: number;
  readonly #pages: BlockCache<Uint8Array>;

  private constructor(path: string, descriptor: number, size: number, cacheBytes: number) {
    this.path = path;
    this.size = size;
    this.#descriptor = descriptor;
    const most = Math.ceil(Math.min(size, cacheBytes) / pageBytes);
    this.#pages = new BlockCache((n) => this.#page(n), most, 'recent');
    forgotten.register(this, descriptor, this);
  }

  /** @throws where there is no such file, or it hasn't as many bytes as it should. */
  static async open(path: string, bytes: number, cacheBytes: number): Promise<OpenFile> {
    const descriptor = await openFile(path, 'r').catch((cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'ENOENT' ? 'there is no such file' : cause.message;
      throw new Error(`${path}: ${why}; the index is incomplete, build it anew`, { cause });
    });
    const { size } = await statFile(descriptor);
    if (size === bytes) return new OpenFile(path, descriptor, size, cacheBytes);
    close(descriptor, () => {});
    throw new Error(
      `${path} has ${size} bytes and the index was saved with ${bytes}: ${size < bytes ? 'the file was cut short' : 'it is another file'}; copy it again, or build the index anew`,
    );
  }

  /** Bytes as they stand in the file, in memory of their own. */
  async read(position: number, length: number): Promise<Uint8Array> {
    const into = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await readFile(this.#open(), into, done, length - done, position + done);
      if (!bytesRead)
        throw new Error(`${this.path}: bytes ${position} to ${position + length} are missing; the file was cut short`);
      done += bytesRead;
    }
    return into;
  }

  /** The same through the cache. The bytes are not for writing. */
  async view(position: number, length: number): Promise<Uint8Array> {
    const first = Math.floor(position / pageBytes);
    const last = Math.floor((position + Math.max(1, length) - 1) / pageBytes);
    if (last - first > 3) return this.read(position, length);
    const from = position - first * pageBytes;
    if (first === last) return (await this.#pages.get(first)).subarray(from, from + length);
    const into = new Uint8Array(length);
    for (let n = first, done = 0; n <= last; n++) {
      const page = await this.#pages.get(n);
      const part = page.subarray(n === first ? from : 0, Math.min(pageBytes, (n === first ? from : 0) + length - done));
      into.set(part, done);
      done += part.length;
    }
    return into;
  }

  close(): void {
    if (this.#descriptor < 0) return;
    forgotten.unregister(this);
    close(this.#descriptor, () => {});
    this.#descriptor = -1;
  }

  #page(n: number): Promise<Uint8Array> {
    return this.read(n * pageBytes, Math.min(pageBytes, this.size - n * pageBytes));
  }

  #open(): number {
    if (this.#descriptor < 0) throw new Error(`${this.path}: the index is closed; VectorIndex.open opens it again`);
    return this.#descriptor;
  }
}
