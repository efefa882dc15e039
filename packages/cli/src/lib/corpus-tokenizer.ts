// The tokenizer of a training run: trained on its text, or taken from a folder.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Tokenizer, TrainingProgress } from '@brickwork/tokenizer';
import { tokenizerPath } from './model-folder.ts';
import { readTextFiles } from './text-files.ts';

/** A tokenizer and its files in a model's folder. */
export interface CorpusTokenizer {
  readonly tokenizer: Tokenizer;
  readonly files: Readonly<Record<string, string>>;
}

const files = ['tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json'];

/**
 * Trains `char`, `bpe` or `wordpiece` on text, or loads the tokenizer of a folder.
 *
 * @param texts files of text in UTF-8, or texts as they come
 */
export async function corpusTokenizer(
  kind: string,
  texts: readonly string[] | AsyncIterable<string>,
  o: {
    readonly specialTokens?: readonly string[] | undefined;
    readonly vocabularySize?: number | undefined;
    readonly signal: AbortSignal;
    readonly onProgress: (progress: TrainingProgress) => void;
  },
): Promise<CorpusTokenizer> {
  const { loadTokenizer, Tokenizer, tokenizerConfig, trainTokenizer } = await import('@brickwork/tokenizer');
  if (kind === 'char' || kind === 'bpe' || kind === 'wordpiece') {
    const { signal, onProgress } = o;
    const vocabularySize = o.vocabularySize ?? (kind === 'char' ? undefined : 4096);
    const sized = vocabularySize === undefined ? {} : { vocabularySize };
    const chunks = Symbol.asyncIterator in texts ? texts : readTextFiles(texts, signal);
    const special = o.specialTokens ? { specialTokens: o.specialTokens } : {};
    const json = await trainTokenizer(chunks, { type: kind, ...sized, ...special, signal, onProgress });
    const config = tokenizerConfig(json);
    return {
      tokenizer: new Tokenizer(json, config),
      files: { 'tokenizer.json': `${JSON.stringify(json)}\n`, 'tokenizer_config.json': `${JSON.stringify(config)}\n` },
    };
  }
  const path = tokenizerPath(kind);
  const tokenizer = await loadTokenizer(path);
  const folder = existsSync(join(path, 'tokenizer.json')) ? path : dirname(path);
  const found = files.filter((name) => existsSync(join(folder, name)));
  const beside = await Promise.all(found.map(async (name) => [name, await readFile(join(folder, name), 'utf8')]));
  return {
    tokenizer,
    files: { 'tokenizer.json': `${JSON.stringify(tokenizer.json)}\n`, ...Object.fromEntries(beside) },
  };
}
