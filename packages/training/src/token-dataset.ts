// Text files of any size as a token dataset: tokenized once, streaming, into a file that later runs find again.
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic, writeFileAtomic } from '@brickwork/runtime';
import { encodeStream } from './encode-stream.ts';
import { readText } from './read-text.ts';
import { countCharacters, indexOfCharacter, trainingCharacters, type Encoder, type TokenData } from './token-data.ts';
import { fileTokens, memoryTokens, type TokenSource } from './token-source.ts';

/** A tokenizer, as datasets need it. */
export interface DatasetEncoder extends Encoder {
  /** What it was made from: part of the name under which tokens are kept. */
  readonly json?: unknown;
  /** Up to 65536, tokens take two bytes instead of four; ids outside are refused. */
  readonly vocabularySize?: number;
}

/** How text files become a dataset. */
export interface TokenDatasetOptions {
  /** The share of the characters, at the end, that is held out; 0.1 unless given. */
  readonly validation?: number;
  /** Where tokens are kept; without it they are only in memory. */
  readonly cache?: string;
  /** An id to put after every file, such as that of `<|endoftext|>`; files run into each other unless given. */
  readonly separator?: number;
  /** Bytes of tokens up to which they are read into memory, 256 MiB unless given; more are read as they are needed. */
  readonly inMemory?: number;
  readonly signal?: AbortSignal;
  /** Called with characters tokenized so far and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** {@link TokenData} with open files. */
export interface TokenDataset extends TokenData {
  close(): void;
}

interface Sizes {
  readonly train: number;
  readonly validation: number;
  readonly trainMaximum: number;
  readonly validationMaximum: number;
  readonly validationCharacters: number;
  readonly fingerprint: string;
}
interface Segment {
  readonly path: string;
  readonly from: number;
  readonly to: number;
  readonly isEnd: boolean;
}

const format = 1;

/**
 * Tokenizes text files, one after another as one text, and holds out the last part. With a cache, the same files and
 * tokenizer are found again by their content, and files larger than memory work.
 *
 * @throws where a file is missing or isn't UTF-8, all are empty, or the tokenizer gives ids that it doesn't have.
 */
export async function tokenDataset(
  files: readonly string[],
  encoder: DatasetEncoder,
  o: TokenDatasetOptions = {},
): Promise<TokenDataset> {
  const { validation = 0.1, cache, separator, inMemory = 2 ** 28, signal } = o;
  if (!files.length) throw new Error('corpus: no files; name one or more text files');
  if (cache !== undefined && encoder.json === undefined)
    throw new Error('corpus: a cache needs a tokenizer with its json, to tell tokens of different tokenizers apart');
  const hash = createHash('sha256');
  const characters: number[] = [];
  for (const path of files) {
    let n = 0;
    for await (const piece of readText(path, { hash, signal })) n += countCharacters(piece);
    characters.push(n);
    hash.update(`/${n}/`);
  }
  const total = characters.reduce((a, b) => a + b);
  if (!total)
    throw new Error(`corpus: ${files.join(', ')}: the text is empty; it needs more tokens than the context is long`);
  const cut = trainingCharacters(total, validation);
  const width = encoder.vocabularySize !== undefined && encoder.vocabularySize <= 2 ** 16 ? 2 : 4;
  const work: Work = { encoder, separator, width, total, cut, characters, files, signal, onProgress: o.onProgress };

  if (cache === undefined) {
    const chunks: IdArray[] = [];
    const sizes = await tokenize(work, (ids) => void chunks.push(ids));
    const all = new (width === 2 ? Uint16Array : Int32Array)(sizes.train + sizes.validation);
    let at = 0;
    for (const ids of chunks) {
      all.set(ids, at);
      at += ids.length;
    }
    return dataset(sizes, memoryTokens(all.subarray(0, sizes.train)), memoryTokens(all.subarray(sizes.train)));
  }

  const key = hash
    .update(JSON.stringify([format, encoder.json, encoder.vocabularySize ?? null, validation, separator ?? null]))
    .digest('hex');
  await mkdir(cache, { recursive: true });
  const path = join(cache, `${key.slice(0, 32)}.tokens`);
  const sidecar = `${path}.json`;
  const open = (sizes: Sizes): TokenDataset => {
    const part = (begin: number, length: number, maximum: number): TokenSource =>
      fileTokens({ path, width, begin, length, maximum });
    const train = part(0, sizes.train, sizes.trainMaximum);
    const held = part(sizes.train, sizes.validation, sizes.validationMaximum);
    if (width * (sizes.train + sizes.validation) > inMemory) return dataset(sizes, train, held);
    return dataset(sizes, inFull(train), inFull(held));
  };
  try {
    const found = JSON.parse(await readFile(sidecar, 'utf8')) as Sizes & { format: number };
    if (found.format === format) return open(found);
  } catch {
    // None yet, or not whole: made below.
  }
  let sizes: Sizes | undefined;
  await writeAtomic(path, async (file) => {
    sizes = await tokenize(work, async (ids) => {
      const bytes = new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
      for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten;
    });
  });
  await writeFileAtomic(sidecar, `${JSON.stringify({ format, ...sizes!, width, files }, null, 2)}\n`);
  return open(sizes!);
}

function dataset(sizes: Sizes, train: TokenSource, validation: TokenSource): TokenDataset {
  return {
    train,
    validation,
    charactersPerToken: sizes.validation ? sizes.validationCharacters / sizes.validation : 1,
    fingerprint: sizes.fingerprint,
    close() {
      train.close();
      validation.close();
    },
  };
}

// Reads all of a file's ids, and closes it.
function inFull(source: TokenSource): TokenSource {
  const ids = new Int32Array(source.length);
  source.read(0, ids);
  source.close();
  return memoryTokens(ids);
}

type IdArray = Uint16Array | Int32Array;
interface Work {
  readonly encoder: DatasetEncoder;
  readonly separator: number | undefined;
  readonly width: 2 | 4;
  readonly total: number;
  readonly cut: number;
  readonly characters: readonly number[];
  readonly files: readonly string[];
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((done: number, total: number) => void) | undefined;
}

async function tokenize(work: Work, emit: (ids: IdArray) => void | Promise<void>): Promise<Sizes> {
  const { total, cut } = work;
  const hash = createHash('sha256');
  let done = 0;
  const run = async (segments: readonly Segment[]): Promise<{ length: number; maximum: number }> => {
    let [length, maximum] = [0, -1];
    for await (const part of segmentIds(segments, work, (n) => work.onProgress?.((done += n), total))) {
      work.signal?.throwIfAborted();
      const ids = new (work.width === 2 ? Uint16Array : Int32Array)(part.length);
      for (let i = 0; i < part.length; i++) {
        const id = part[i]!;
        checkId(id, work.encoder.vocabularySize);
        if (id > maximum) maximum = id;
        ids[i] = id;
      }
      length += ids.length;
      hash.update(ids);
      await emit(ids);
    }
    hash.update(`/${length}/`);
    return { length, maximum };
  };
  const train = await run(segmentsOf(work, 0, cut));
  const held = await run(segmentsOf(work, cut, total));
  return {
    train: train.length,
    validation: held.length,
    trainMaximum: train.maximum,
    validationMaximum: held.maximum,
    validationCharacters: total - cut,
    fingerprint: hash.digest('hex'),
  };
}

function checkId(id: number, vocabularySize = 2 ** 31): void {
  if (!(Number.isInteger(id) && id >= 0 && id < vocabularySize))
    throw new Error(`corpus: the tokenizer gave the id ${id}, outside its vocabulary of ${vocabularySize}`);
}

// The pieces of files that lie between two characters of the whole text.
function segmentsOf({ files, characters }: Work, from: number, to: number): Segment[] {
  let begin = 0;
  return files.flatMap((path, i) => {
    const start = begin;
    begin += characters[i]!;
    const segment = { path, from: Math.max(0, from - start), to: Math.min(characters[i]!, to - start) };
    return segment.from < segment.to ? [{ ...segment, isEnd: to >= begin }] : [];
  });
}

async function* segmentIds(
  segments: readonly Segment[],
  { encoder, separator, signal }: Work,
  onText: (characters: number) => void,
): AsyncGenerator<ArrayLike<number>> {
  if (separator === undefined) return yield* encodeStream(segmentText(segments, signal, onText), encoder);
  for (const segment of segments) {
    yield* encodeStream(segmentText([segment], signal, onText), encoder);
    if (segment.isEnd) yield [separator];
  }
}

async function* segmentText(
  segments: readonly Segment[],
  signal: AbortSignal | undefined,
  onText: (characters: number) => void,
): AsyncGenerator<string> {
  for (const { path, from, to } of segments) {
    let at = 0;
    for await (const piece of readText(path, { signal })) {
      const count = countCharacters(piece);
      const [begin, end] = [Math.max(0, from - at), Math.min(count, to - at)];
      at += count;
      if (begin >= end) continue;
      yield begin === 0 && end === count
        ? piece
        : piece.slice(indexOfCharacter(piece, begin), indexOfCharacter(piece, end));
      onText(end - begin);
      if (at >= to) break;
    }
    if (at < to) throw new Error(`corpus: ${path} changed while it was read`);
  }
}
