// What a command reads and writes: results go to stdout, everything else to stderr.
import type { Readable, Writable } from 'node:stream';
import { CliError } from './errors.ts';
import type { Interrupts } from './interrupts.ts';

/** The three streams of a process, or of a test. */
export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
}

/** A command's surroundings. */
export class Io {
  readonly stdin: Streams['stdin'];
  readonly stdout: Streams['stdout'];
  readonly stderr: Streams['stderr'];
  readonly #interrupts: Interrupts;
  #error: Error | null = null;
  #readerLeft = false;
  #continue: () => void = () => {};

  constructor({ stdin, stdout, stderr }: Streams, interrupts: Interrupts) {
    [this.stdin, this.stdout, this.stderr] = [stdin, stdout, stderr];
    this.#interrupts = interrupts;
    stdout.on('error', this.#onError);
    stderr.on('error', this.#onNoteError);
  }

  /**
   * Writes to stdout, waiting where the reader is slow. Where it went away (`lm … | head`) nothing is written any more.
   *
   * @throws where writing fails, which a disk that is full does.
   */
  async write(text: string): Promise<void> {
    if (this.#error) throw this.#error;
    if (this.#readerLeft || !text || this.stdout.write(text)) return;
    await new Promise<void>((resolve) => {
      this.#continue = resolve;
      this.stdout.once('drain', resolve);
    });
  }

  /** Writes one JSON document and a newline. */
  writeJson(value: unknown): Promise<void> {
    return this.write(`${JSON.stringify(value)}\n`);
  }

  /** Writes a line for people. */
  note(text: string): void {
    this.stderr.write(`${text}\n`);
  }

  /**
   * All of stdin as text.
   *
   * @throws where it isn't UTF-8.
   */
  async readStdin(): Promise<string> {
    if (this.stdin.isTTY) this.note('Reading from the terminal; Ctrl-D ends the text.');
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.stdin) chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    return utf8(Buffer.concat(chunks), 'stdin');
  }

  /** From now on Ctrl-C aborts this signal, and the command has to end soon; without it Ctrl-C ends the program. */
  interruptible(): AbortSignal {
    return this.#interrupts.watch();
  }

  /** Until the returned function is called, Ctrl-C calls `stop` instead of ending the command. */
  onInterrupt(stop: () => void): () => void {
    return this.#interrupts.divert(stop);
  }

  /** Ends the command as Ctrl-C does, for terminals that hand it over as a key. */
  interrupt(): void {
    this.#interrupts.interrupt();
  }

  /** Waits until everything is written. @throws where that failed. */
  async end(): Promise<void> {
    if (!this.#readerLeft) await new Promise<void>((resolve) => this.stdout.write('', () => resolve()));
    if (this.#error) throw this.#error;
  }

  /** Leaves the streams to others again. Errors of writes still on their way are no longer ours. */
  dispose(): void {
    this.stdout.off('error', this.#onError).on('error', ignore);
    this.stderr.off('error', this.#onNoteError).on('error', ignore);
  }

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') {
      this.#readerLeft = true;
      this.#interrupts.readerLeft();
    } else this.#error = new CliError(`stdout can’t be written to: ${error.message}`, { cause: error });
    this.#continue();
  };
  // Where notes can't be shown, the command goes on.
  readonly #onNoteError = (): void => {};
}

const ignore = (): void => {};

/** Bytes as text. A byte order mark is left out. */
export function utf8(bytes: Uint8Array, from: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CliError(`${from} is not text in UTF-8`, { cause });
  }
}
