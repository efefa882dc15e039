// The word vectors that a command works on: a file, or the table of a model's tokens that are words.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { WordVectors } from '@brickwork/embedding';
import { CliError } from './errors.ts';
import { flags } from './flags.ts';
import type { Io } from './io.ts';
import { findModel } from './model-folder.ts';
import { standardEncoder } from './open-encoder.ts';
import { modelPath } from './open-model.ts';

/** What the flags hold. */
export interface WordsArgs {
  readonly vectors: string;
  readonly limit?: number;
  readonly offline: boolean;
}

/** `--vectors`, `--limit` and `--offline`. */
export const wordsFlags: ReturnType<typeof flags> = flags('Vectors', {
  vectors: {
    type: 'text',
    alias: 'w',
    default: standardEncoder,
    describe:
      'a file of word vectors (word2vec text or binary, GloVe, fastText .vec, .gz), or a model whose tokens are words',
  },
  limit: { type: 'number', min: 1, whole: true, describe: 'reads only the first so many words of a file' },
  offline: { type: 'switch', default: false, describe: 'only models that are in the cache already' },
});

/** Opens the vectors that the flags name. @throws where there are none. */
export async function openWords(
  { vectors, limit, offline }: WordsArgs,
  io: Io,
  signal: AbortSignal,
): Promise<WordVectors> {
  const { readWordVectors, SentenceEncoder, wordsOfTable } = await import('@brickwork/embedding');
  if (statSync(vectors, { throwIfNoEntry: false })?.isFile())
    return readWordVectors(vectors, {
      signal,
      onNote: (note) => io.note(note),
      ...(limit !== undefined && { limit }),
    });
  const folder = findModel(vectors) ?? (await modelPath({ model: vectors, offline }, io, signal));
  if (existsSync(join(folder, 'modules.json'))) {
    const { parts } = await SentenceEncoder.load(folder, { signal });
    const { body, tokenizer } = parts;
    return wordsOfTable(body.kind === 'static' ? body.weights : body.model.weights, tokenizer);
  }
  const { AutoModel } = await import('@brickwork/transformer');
  const model = await AutoModel.fromPretrained(folder, { signal });
  return wordsOfTable(model.weights, await model.tokenizer());
}

/** Words that come in pairs, as `man:woman`. @throws where one doesn't. */
export const wordPairs = (given: readonly string[]): (readonly [string, string])[] =>
  given.map((text) => {
    const parts = text.split(/[:=,]/);
    if (parts.length !== 2 || parts.some((part) => !part))
      throw new CliError(`'${text}' is no pair of words; needs man:woman`);
    return [parts[0]!, parts[1]!];
  });
