// The word that is missing in a text: candidates, or words that the model comes up with, by how likely each makes the text.
import type { Tokenizer } from '@brickwork/tokenizer';
import { isCausalLM } from '../../causal-lm.ts';
import { generateTokensFrom } from '../../generation/generate-from.ts';
import { collect } from '../../generation/collect.ts';
import type { Model } from '../../model.ts';
import { isSeq2Seq } from '../../seq2seq.ts';
import { seq2seqDecoder } from '../../seq2seq-decoder.ts';
import { Scorer } from '../scorer.ts';
import { splitBlank, type Blank } from './blank.ts';
import { maskedScore, maskedWords } from './masked-words.ts';
import { nextWords } from './next-words.ts';

/** A word for the blank. */
export interface GuessedWord {
  readonly word: string;
  /** The text with it. */
  readonly text: string;
  /**
   * ln p in nats, to compare words by: causal models, of the whole text with the word; masked ones, of the word's pieces given
   * the text around it; encoder-decoders, of the word written for the blank.
   */
  readonly logProb: number;
  /** Share among the words compared: they add up to 1. */
  readonly probability: number;
}

/** How words are guessed. */
export interface GuessWordOptions {
  /** Words to choose from; those that the model comes up with unless given. */
  readonly candidates?: readonly string[];
  /** Words to give; 5 unless given. */
  readonly topK?: number;
  /** Masked models: pieces of a word that the model comes up with, at most; 3 unless given. */
  readonly mostPieces?: number;
  readonly signal?: AbortSignal;
}

// A causal model thinks of words by what stands before them; what comes after may turn their order around.
const causalWords = 50;

/**
 * Guesses the missing word of a text, best first.
 *
 * Causal models compare the whole text with each word. Masked ones compare words by their pieces, each given those before
 * it, with the rest of the word hidden. Encoder-decoders read the text with T5's `<extra_id_0>`, or the mask of BART, in the
 * blank, and compare what they would write.
 *
 * ```ts
 * const [best] = await guessWord(model, await model.tokenizer(), 'I can buy a ___ of fish.', { candidates: ['can', 'will'] });
 * ```
 *
 * @param text with `___`, `[MASK]`, or `…` at its end
 * @throws where the text has no blank, or several; there are no candidates, or one is empty; the model can't fill blanks.
 */
export async function guessWord(
  model: Model,
  tokenizer: Tokenizer,
  text: string,
  o: GuessWordOptions = {},
): Promise<GuessedWord[]> {
  const { candidates, topK = 5, signal } = o;
  if (!(Number.isInteger(topK) && topK > 0))
    throw new Error(`guessWord: topK is ${topK}; needs a whole number above 0`);
  const blank = splitBlank(text);
  if (candidates && !candidates.length) throw new Error('guessWord: candidates is an empty list; give one or more');
  candidates?.forEach((word, i) => {
    if (typeof word !== 'string' || !word.trim())
      throw new Error(`guessWord: candidate ${i} is ${JSON.stringify(word)}; needs a word`);
  });
  signal?.throwIfAborted();
  const words = [...new Set(candidates ?? (await thinkOf(model, tokenizer, blank, o)))];
  if (!words.length) throw new Error('guessWord: the model came up with no words; give candidates');
  const logProbs = await compare(model, tokenizer, blank, words, signal);
  const top = Math.max(...logProbs);
  const total = logProbs.reduce((sum, l) => sum + Math.exp(l - top), 0);
  return words
    .map((word, i) => ({
      word,
      text: filled(blank, word),
      logProb: logProbs[i]!,
      probability: Math.exp(logProbs[i]! - top) / total,
    }))
    .toSorted((a, b) => b.logProb - a.logProb)
    .slice(0, topK);
}

const filled = ({ before, after }: Blank, word: string): string => `${before}${word}${after}`;

async function compare(
  model: Model,
  tokenizer: Tokenizer,
  blank: Blank,
  words: readonly string[],
  signal?: AbortSignal,
): Promise<number[]> {
  const o = signal ? { signal } : {};
  if (isCausalLM(model.network)) {
    const scored = await new Scorer(model, tokenizer).score(
      words.map((word) => filled(blank, word)),
      o,
    );
    return scored.map(({ logProb }) => logProb);
  }
  if (isSeq2Seq(model.network)) {
    const gap = gapOf(model, tokenizer);
    const items = words.map((word) => ({
      context: `${blank.before}${gap.source}${blank.after}`,
      text: gap.end === null ? filled(blank, word) : `${gap.source} ${word}${gap.end}`,
    }));
    const scored = await new Scorer(model, tokenizer).score(items, { ...o, end: gap.end === null });
    return scored.map(({ logProb }) => logProb);
  }
  const logProbs: number[] = [];
  for (const word of words) logProbs.push((await maskedScore(model, tokenizer, blank, word, signal)).logProb);
  return logProbs;
}

async function thinkOf(
  model: Model,
  tokenizer: Tokenizer,
  blank: Blank,
  { topK = 5, mostPieces = 3, signal }: GuessWordOptions,
): Promise<string[]> {
  const o = signal ? { signal } : {};
  if (isSeq2Seq(model.network)) return writtenWords(model, tokenizer, blank, topK, signal);
  if (!isCausalLM(model.network)) {
    return (await maskedWords(model, tokenizer, blank, { topK, mostPieces, ...o })).map(({ word }) => word);
  }
  const decoder = model.decoder();
  try {
    const found = await nextWords(decoder, tokenizer, blank.before, {
      ...{ topK: Math.max(causalWords, topK), spaced: /\s$/.test(blank.before) },
      ...o,
    });
    return found.map(({ word }) => word);
  } finally {
    await decoder.dispose();
  }
}

// What stands in the blank of a source, and what ends the word in a target; null where the target is the whole text.
function gapOf({ className }: Model, tokenizer: Tokenizer): { source: string; end: string | null } {
  const [first, second] = ['<extra_id_0>', '<extra_id_1>'];
  if (tokenizer.tokenToId(first) !== undefined && tokenizer.tokenToId(second) !== undefined)
    return { source: first, end: second };
  const { mask } = tokenizer.specialTokens;
  if (!mask)
    throw new Error(
      `guessWord: ${className}’s tokenizer has neither <extra_id_0> nor a mask token, so that the model knows no blanks`,
    );
  return { source: mask.content, end: null };
}

// The best of beams, as far as they are words.
async function writtenWords(
  model: Model,
  tokenizer: Tokenizer,
  blank: Blank,
  topK: number,
  signal?: AbortSignal,
): Promise<string[]> {
  const gap = gapOf(model, tokenizer);
  const source = tokenizer.encode(`${blank.before}${gap.source}${blank.after}`).ids;
  const beams = Math.max(4, 2 * topK);
  const room = gap.end === null ? 2 * source.length + 16 : 16;
  const decoder = seq2seqDecoder(model);
  try {
    const sequences = await collect(
      generateTokensFrom(decoder, [source], {
        ...{ numBeams: beams, numReturnSequences: beams, maxNewTokens: room },
        ...(signal && { signal }),
      }),
    );
    signal?.throwIfAborted();
    return sequences.map(({ ids }) => wordIn(tokenizer, ids, blank, gap)).filter((word) => word !== '');
  } finally {
    await decoder.dispose();
  }
}

function wordIn(
  tokenizer: Tokenizer,
  ids: readonly number[],
  { before, after }: Blank,
  { source, end }: { readonly source: string; readonly end: string | null },
): string {
  if (end === null) {
    const text = tokenizer.decode(ids).trim();
    const [head, tail] = [before.trim(), after.trim()];
    const fits = text.startsWith(head) && text.endsWith(tail) && text.length > head.length + tail.length;
    return fits ? text.slice(head.length, text.length - tail.length).trim() : '';
  }
  const [first, last] = [ids.indexOf(tokenizer.tokenToId(source)!), ids.indexOf(tokenizer.tokenToId(end)!)];
  return tokenizer.decode(ids.slice(first + 1, last < 0 ? undefined : last)).trim();
}
