// A model's table of token vectors as word vectors: the tokens that are whole words.
import type { HostTensor } from '@brickwork/runtime';
import type { Tokenizer } from '@brickwork/tokenizer';
import { WordVectors } from './word-vectors.ts';

const tables = /(?:^|\.)(?:word_embeddings|wte|embed_tokens|tok_embeddings|embed_in|shared|embedding)\.weight$/;

/**
 * The vectors of a model's whole-word tokens, in the order of their ids: of WordPiece all but those that go on with ##, of
 * others those that begin with the sign for a space.
 *
 * @throws where the model has no table of tokens that is known, or no token is a word.
 */
export function wordsOfTable(weights: ReadonlyMap<string, HostTensor>, tokenizer: Tokenizer): WordVectors {
  const V = tokenizer.vocabularySize;
  const found = [...weights].find(([name, { shape }]) => tables.test(name) && shape.length === 2);
  if (!found)
    throw new Error(
      `the model has no table of token vectors; needs one called word_embeddings, wte, embed_tokens, shared or embedding`,
    );
  const [, { data, shape }] = found;
  const D = shape[1]!;
  const tokens = Array.from({ length: Math.min(V, shape[0]!) }, (_, id) => tokenizer.idToToken(id) ?? '');
  const spaced = tokens.some((token) => /^[Ġ▁]./u.test(token));
  const words = new Map<string, number>();
  tokens.forEach((token, id) => {
    if (spaced !== /^[Ġ▁]/u.test(token)) return;
    const word = token.replace(/^[Ġ▁]|<\/w>$/gu, '');
    if (/^[\p{L}\p{M}\p{N}'’-]+$/u.test(word) && !words.has(word)) words.set(word, id);
  });
  if (!words.size) throw new Error('no token of the model is a word');
  const rows = new Float32Array(words.size * D);
  let at = 0;
  for (const id of words.values()) rows.set((data as Float32Array).subarray(id * D, (id + 1) * D), D * at++);
  return new WordVectors([...words.keys()], rows);
}
