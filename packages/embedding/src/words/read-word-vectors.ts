// Files of word vectors as the field's tools write them: word2vec's text and binary (Mikolov et al., 2013), GloVe's text without
// a first line, fastText's .vec. What a file is, its content says.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { WordVectors } from './word-vectors.ts';

/** How files are read. */
export interface ReadWordsOptions {
  /** `text` and `binary` (word2vec's); told from the content unless given. */
  readonly format?: 'text' | 'binary';
  /** Only the first so many words; all unless given. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
  /** Called with what is odd but no error: words that are there twice, of which the first is kept. */
  readonly onNote?: (note: string) => void;
}

// No tool writes longer vectors, and what lies about its size is told from what is large.
const mostDimensions = 65_536;

/**
 * Reads a file, .gz or not, in memory for its vectors alone.
 *
 * @throws where it is no such file, is cut short, has other numbers of words or values than it says, or a value is no finite
 *   number: with file and line (of binary files, word).
 */
export async function readWordVectors(path: string, o: ReadWordsOptions = {}): Promise<WordVectors> {
  const { limit = Infinity, format, signal, onNote } = o;
  if (!(limit > 0)) throw new Error(`${path}: the limit is ${limit}; needs a number above 0`);
  if (format !== undefined && format !== 'text' && format !== 'binary')
    throw new Error(`${path}: the format is ${JSON.stringify(format)}; needs text or binary`);
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`${path}: ${cause.code === 'ENOENT' ? 'there is no such file' : cause.message}`, { cause });
  });
  if (found.isDirectory()) throw new Error(`${path}: it is a folder; needs a file of word vectors`);
  const source = createReadStream(path, { highWaterMark: 2 ** 20, ...(signal && { signal }) });
  const isPacked = /\.gz$/i.test(path);
  const unpacked = isPacked ? source.pipe(createGunzip()) : source;
  source.on('error', (error) => unpacked.destroy(error));
  const input = new Input(unpacked, path);
  const table = new Table(path, onNote);
  try {
    const first = await input.line();
    if (first === null) throw new Error(`${path}: the file is empty; needs a word and its vector on each line`);
    const header = headerOf(first, path);
    const isBinary =
      format === 'binary' || (format === undefined && header !== null && (await input.looksBinary(header.D)));
    if (isBinary) {
      if (!header)
        throw new Error(`${path}: its first line is no count of words and dimensions, which binary files begin with`);
      // Each value has four bytes, each word one at least, and a space.
      const least = header.V * (4 * header.D + 2);
      if (!isPacked && found.size < Math.min(least, limit * (4 * header.D + 2)))
        throw new Error(
          `${path}: it says ${header.V} words of ${header.D} values, which have ${least} bytes at least, but it has ${found.size}: it was cut short, or isn’t what it says`,
        );
      await readBinary(input, table, header, limit);
    } else await readText(input, table, header ? null : first, { header, limit });
    return table.vectors();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code?.startsWith('Z_') || code === 'ERR_INVALID_STATE')
      throw new Error(`${path}: it is no gzip file, or was cut short: ${(error as Error).message}`, { cause: error });
    throw error;
  } finally {
    source.destroy();
    unpacked.destroy();
  }
}

interface Header {
  readonly V: number;
  readonly D: number;
}

// '3000000 300': how many words, of how many values.
function headerOf(line: Uint8Array, path: string): Header | null {
  if (line.length > 64) return null;
  const match = /^\s*(\d+)[ \t]+(\d+)\s*$/.exec(Buffer.from(line).toString('latin1'));
  if (!match) return null;
  const [V, D] = [Number(match[1]), Number(match[2])];
  if (!(V > 0 && V < 2 ** 32 && D > 0 && D <= mostDimensions))
    throw new Error(
      `${path}: it says ${V} words of ${D} values; needs 1 to ${mostDimensions} values, and a word at least`,
    );
  return { V, D };
}

async function readBinary(input: Input, table: Table, { V, D }: Header, limit: number): Promise<void> {
  for (let i = 0; i < V && i < limit; i++) {
    const where = `word ${i + 1} of ${V}`;
    const word = await input.until(0x20, where);
    const bytes = await input.take(4 * D, where);
    const values = new Float32Array(D);
    new Uint8Array(values.buffer).set(bytes);
    table.add(utf8(word, where, table.path).replace(/^\n+/, ''), values, where);
  }
  if (V <= limit && !(await input.isOver()))
    throw new Error(`${table.path}: there is more after the ${V} words that it says it has`);
}

async function readText(
  input: Input,
  table: Table,
  firstLine: Uint8Array | null,
  { header, limit }: { header: Header | null; limit: number },
): Promise<void> {
  let number = header ? 1 : 0;
  for (let line = firstLine ?? (await input.line()); line !== null; line = await input.line()) {
    const where = `line ${++number}`;
    const text = utf8(line, where, table.path).replace(/[ \t\r]+$/, '');
    if (!text) {
      if (await input.isOver()) break;
      throw new Error(`${table.path}:${number}: the line is empty; needs a word and its vector`);
    }
    if (table.rows >= limit) return;
    const parts = text.split(/[ \t]/);
    const D = header?.D ?? table.dimension ?? parts.length - 1;
    // GloVe's largest file has words with spaces.
    const at = parts.length - D;
    if (at < 1 || D < 1)
      throw new Error(
        `${table.path}:${number}: ${parts.length - 1} values behind ${JSON.stringify(parts[0]!.slice(0, 40))}; needs ${D < 1 ? 'some' : D}`,
      );
    const values = new Float32Array(D);
    for (let i = 0; i < D; i++) {
      const part = parts[at + i]!;
      const value = part === '' ? NaN : Number(part);
      if (Number.isNaN(value) && !/^[+-]?nan$/i.test(part))
        throw new Error(
          `${table.path}:${number}: value ${i + 1} is ${JSON.stringify(part.slice(0, 40))}; needs a number`,
        );
      values[i] = value;
    }
    table.add(parts.slice(0, at).join(' '), values, where);
  }
  if (header && table.rows < Math.min(header.V, limit))
    throw new Error(`${table.path}: it says ${header.V} words and has ${table.rows}: it was cut short`);
  if (header && table.rows > header.V)
    throw new Error(`${table.path}: it says ${header.V} words and has ${table.rows}`);
}

function utf8(bytes: Uint8Array, where: string, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Error(`${path}: ${where} is not text in UTF-8; it is no file of word vectors`, { cause });
  }
}

// Rows in room that doubles, so that a file's own claims allocate nothing.
class Table {
  readonly path: string;
  readonly #words: string[] = [];
  readonly #known = new Set<string>();
  readonly #onNote: ((note: string) => void) | undefined;
  #values = new Float32Array(2 ** 14);
  /** Rows that the file has, those of words that are there twice included. */
  rows = 0;
  dimension: number | null = null;
  constructor(path: string, onNote: ((note: string) => void) | undefined) {
    [this.path, this.#onNote] = [path, onNote];
  }
  add(word: string, values: Float32Array, where: string): void {
    const D = (this.dimension ??= values.length);
    this.rows++;
    if (!word) throw new Error(`${this.path}: ${where} has no word`);
    const wrong = values.findIndex((x) => !Number.isFinite(x));
    if (wrong >= 0)
      throw new Error(
        `${this.path}: ${where}, ${JSON.stringify(word)}: value ${wrong + 1} is ${values[wrong]}; needs a finite number`,
      );
    if (this.#known.has(word)) {
      this.#onNote?.(`${this.path}: ${where}: ${JSON.stringify(word)} is there twice; the first one is kept`);
      return;
    }
    const at = this.#words.length * D;
    if (at + D > this.#values.length) {
      const larger = new Float32Array(Math.max(2 * this.#values.length, at + D));
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values.set(values, at);
    this.#known.add(word);
    this.#words.push(word);
  }
  vectors(): WordVectors {
    return new WordVectors(this.#words, this.#values.slice(0, this.#words.length * (this.dimension ?? 0)));
  }
}

// Bytes as they come, by lines and by numbers.
class Input {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #path: string;
  #held: Uint8Array = new Uint8Array();
  #at = 0;
  constructor(source: AsyncIterable<Uint8Array>, path: string) {
    this.#source = source[Symbol.asyncIterator]();
    this.#path = path;
  }

  /** Up to the next line end, which is left out; null at the end. */
  async line(): Promise<Uint8Array | null> {
    const found = await this.#find(0x0a);
    if (found < 0) {
      if (this.#at === this.#held.length) return null;
      return this.#cut(this.#held.length, 0);
    }
    return this.#cut(found, 1);
  }

  async until(byte: number, where: string): Promise<Uint8Array> {
    const found = await this.#find(byte, 4096);
    if (found < 0)
      throw new Error(`${this.#path}: ${where} has no end: the file was cut short, or is no word2vec binary`);
    return this.#cut(found, 1);
  }

  async take(count: number, where: string): Promise<Uint8Array> {
    while (this.#held.length - this.#at < count)
      if (!(await this.#more())) throw new Error(`${this.#path}: ${where} is cut short`);
    return this.#cut(this.#at + count, 0);
  }

  /** Whether nothing follows but line ends. */
  async isOver(): Promise<boolean> {
    for (;;) {
      for (; this.#at < this.#held.length; this.#at++) if (![0x0a, 0x0d].includes(this.#held[this.#at]!)) return false;
      if (!(await this.#more())) return true;
    }
  }

  /** Whether what comes next is no row of text: bytes that text has not, or a first row that isn't numbers. */
  async looksBinary(D: number): Promise<boolean> {
    while (this.#held.length - this.#at < 4 * D + 256) if (!(await this.#more())) break;
    const next = Buffer.from(this.#held.subarray(this.#at, this.#at + 4 * D + 256));
    if (next.some((byte) => byte < 9 || (byte > 13 && byte < 32))) return true;
    const space = next.indexOf(0x20);
    return (
      space >= 0 &&
      !/^[\d+\-.eEnaif \t\r\n]*$/i.test(
        next
          .subarray(space, space + 2 * D)
          .toString('latin1')
          .split('\n')[0]!,
      )
    );
  }

  async #find(byte: number, most = 2 ** 27): Promise<number> {
    for (let from = this.#at; ;) {
      const found = this.#held.indexOf(byte, from);
      if (found >= 0) return found - this.#at > most ? -1 : found;
      const scanned = this.#held.length - this.#at;
      if (scanned > most) {
        if (most < 2 ** 20) return -1;
        throw new Error(`${this.#path}: a line of more than ${most} bytes; it is no file of word vectors`);
      }
      if (!(await this.#more())) return -1;
      from = this.#at + scanned;
    }
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#source.next();
    if (done) return false;
    const rest = this.#held.subarray(this.#at);
    const held = new Uint8Array(rest.length + value.length);
    held.set(rest);
    held.set(value, rest.length);
    [this.#held, this.#at] = [held, 0];
    return true;
  }

  #cut(end: number, skip: number): Uint8Array {
    const found = this.#held.subarray(this.#at, end);
    this.#at = end + skip;
    return found;
  }
}
