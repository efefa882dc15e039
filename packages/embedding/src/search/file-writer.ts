// Writes a new file from its beginning to its end, through a buffer.
import { open, type FileHandle } from 'node:fs/promises';

const bufferBytes = 2 ** 18;

/** A file that is being written. */
export class FileWriter {
  /** Bytes so far. */
  size = 0;
  readonly #file: FileHandle;
  #buffer: Uint8Array = new Uint8Array(bufferBytes);
  #used = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** @throws where there is such a file already, or it can't be made. */
  static async create(path: string): Promise<FileWriter> {
    return new FileWriter(await open(path, 'wx'));
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.size += bytes.length;
    if (this.#used + bytes.length > bufferBytes) await this.#flush();
    if (bytes.length > bufferBytes) return this.#all(bytes);
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** Brings everything to the disk. */
  async finish(): Promise<void> {
    await this.#flush();
    await this.#file.sync();
    await this.#file.close();
  }

  /** Leaves it as it is. */
  async abandon(): Promise<void> {
    await this.#file.close().catch(() => {});
  }

  async #flush(): Promise<void> {
    await this.#all(this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }

  async #all(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;)
      done += (await this.#file.write(bytes, done, bytes.length - done)).bytesWritten;
  }
}
