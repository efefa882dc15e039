// The likeliest whole words after a text: tokens are put together until the next one would begin another word.
import type { Tokenizer } from '@brickwork/tokenizer';
import type { Decoder } from '../../generation/decoder.ts';
import { logSumExp } from '../../generation/log-sum-exp.ts';
import { contextIds } from './causal-contexts.ts';
import { continuesWord, isWord, needsSpace, pieceTexts } from './word-pieces.ts';

/** A word and how likely it is at its place. */
export interface WordGuess {
  readonly word: string;
  readonly probability: number;
}

/** How words are looked for. */
export interface NextWordsOptions {
  /** How many; 5 unless given. */
  readonly topK?: number;
  /** Beginnings of words that are looked at, at most; 400 unless given. */
  readonly most?: number;
  /** Whether a space stands before the word; as the text asks for unless given. */
  readonly spaced?: boolean;
  readonly signal?: AbortSignal;
}

interface Beginning {
  readonly ids: readonly number[];
  readonly text: string;
  readonly logProb: number;
}

// Beginnings at once, and tokens that each goes on with.
const atOnce = 16;
const widest = 64;

/**
 * The likeliest whole words after a text, best first. A word's probability is that of its tokens times that of what ends
 * it (a space, punctuation, the end); over all words these add up to at most 1. The search is exact but for tokens beyond
 * the 64 likeliest at each place.
 *
 * @param decoder of the model (`model.decoder()`), left open
 * @throws where nothing stands before the word and no token begins texts.
 */
export async function nextWords(
  decoder: Decoder,
  tokenizer: Tokenizer,
  text: string,
  { topK = 5, most = 400, spaced = needsSpace(text.trimEnd()) || /\s$/.test(text), signal }: NextWordsOptions = {},
): Promise<WordGuess[]> {
  if (!(Number.isInteger(topK) && topK > 0))
    throw new Error(`nextWords: topK is ${topK}; needs a whole number above 0`);
  const pieces = pieceTexts(tokenizer);
  const before = text.trimEnd();
  const context = contextIds(tokenizer, before);
  // Inside a word there is no space; elsewhere some vocabularies have one where the text has none.
  const isInside = !spaced && /[\p{L}\p{N}]$/u.test(before);
  const canBegin = (piece: string): boolean => (spaced ? /^\s/.test(piece) : !(isInside && /^\s/.test(piece)));
  const V = decoder.vocabularySize;
  const words = new Map<string, number>();
  const add = (word: string, logProb: number): void => {
    const known = words.get(word.trim());
    words.set(
      word.trim(),
      known === undefined ? logProb : Math.max(known, logProb) + Math.log1p(Math.exp(-Math.abs(known - logProb))),
    );
  };
  const bar = (): number => [...words.values()].toSorted((a, b) => b - a)[topK - 1] ?? -Infinity;
  let open: Beginning[] = [{ ids: [], text: '', logProb: 0 }];
  for (let looked = 0; open.length && looked < most;) {
    const lowest = bar();
    open = open.filter(({ logProb }) => logProb > lowest).toSorted((a, b) => b.logProb - a.logProb);
    const some = open.splice(0, Math.min(atOnce, most - looked));
    if (!some.length) break;
    looked += some.length;
    const room = decoder.contextLength;
    const logits = await decoder.prefill(
      some.map(({ ids }) => [...context, ...ids].slice(-room)),
      signal,
    );
    some.forEach((one, row) => {
      const own = logits.subarray(row * V, (row + 1) * V);
      const total = logSumExp(own);
      const isBegun = isWord(one.text);
      let ending = 0;
      const further: Beginning[] = [];
      for (let id = 0; id < V; id++) {
        const piece = pieces[id] ?? '';
        const logProb = one.logProb + own[id]! - total;
        if (isBegun && !continuesWord(piece)) {
          ending += Math.exp(own[id]! - total);
          continue;
        }
        if (!piece || logProb <= lowest || (!one.text && !canBegin(piece))) continue;
        const longer = one.text + piece;
        // A space may be a token of its own.
        if (isWord(longer) || (!one.text && /^\s$/.test(longer)))
          further.push({ ids: [...one.ids, id], text: longer, logProb });
        else {
          // Some vocabularies have words with the punctuation or space after them.
          const head = /^\s?[\p{L}\p{N}][\p{L}\p{N}\p{M}'’-]*(?=[^\p{L}\p{N}\p{M}'’-])/u.exec(longer)?.[0];
          if (head && !longer.includes('\uFFFD')) add(head, logProb);
        }
      }
      if (isBegun && ending > 0) add(one.text, one.logProb + Math.log(ending));
      open.push(...further.toSorted((a, b) => b.logProb - a.logProb).slice(0, widest));
    });
  }
  return [...words]
    .toSorted((a, b) => b[1] - a[1])
    .slice(0, topK)
    .map(([word, logProb]) => ({ word, probability: Math.exp(logProb) }));
}
