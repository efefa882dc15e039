// Cloze tests: what a model puts into a blank, and how likely it finds the right word ('The Vatican lies in the city of …':
// Petroni et al., 2019; the last word of a passage: LAMBADA, Paperno et al., 2016).
import type { Tokenizer } from '@brickwork/tokenizer';
import { isCausalLM } from '../../causal-lm.ts';
import type { Decoder } from '../../generation/decoder.ts';
import type { Model } from '../../model.ts';
import { isSeq2Seq } from '../../seq2seq.ts';
import { lastWord, splitBlank, type Blank } from './blank.ts';
import { contextIds, targetScores, type TargetScore } from './causal-contexts.ts';
import { maskedScore, maskedWords } from './masked-words.ts';
import { nextWords, type WordGuess } from './next-words.ts';
import { proportion, type Proportion } from './proportion.ts';

/** A text with a blank, and what belongs there if that is known. */
export interface ClozeItem extends Blank {
  readonly answer: string | null;
}

/** How one came out. */
export interface ClozeResult {
  readonly item: ClozeItem;
  /** The likeliest whole words, best first; none where none were asked for. */
  readonly words: readonly WordGuess[];
  /** Of the right answer; null where it isn't known. */
  readonly answer: ClozeAnswer | null;
}

/** How likely the right answer is. */
export interface ClozeAnswer extends TargetScore {
  /** Where it is among the words found, from 1; null where it isn't among them. */
  readonly rank: number | null;
}

/** How blanks are filled. */
export interface ClozeOptions {
  /** Words to find for each; 5 unless given, 0 for none, which is much faster. */
  readonly topK?: number;
  /** Masked models: pieces of a word at most; 3 unless given. */
  readonly mostPieces?: number;
  /** Answers scored together; 16 unless given. */
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
  /** Told how many are done, of how many. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/**
 * An item of a row of data: a `text` (or `sentence`, `question`, `context`) with a blank, and its `answer` (or `target`,
 * `obj_label`, `label`). Without an answer, and without a blank, the last word of the text is the one to find.
 *
 * @throws saying what is missing.
 */
export function clozeItem(row: Readonly<Record<string, unknown>>): ClozeItem {
  const first = (names: readonly string[]): string | undefined => names.find((name) => row[name] !== undefined);
  const name = first(['text', 'sentence', 'masked_sentence', 'question', 'context']);
  const text = name === undefined ? undefined : row[name];
  if (typeof text !== 'string' || !text.trim())
    throw new Error(`${name ?? 'text'} is ${text === undefined ? 'missing' : JSON.stringify(text)}; needs a text`);
  const answerName = first(['answer', 'target', 'obj_label', 'label', 'word']);
  const answer = answerName === undefined ? null : row[answerName];
  if (answer !== null && (typeof answer !== 'string' || !answer.trim()))
    throw new Error(`${answerName} is ${JSON.stringify(answer)}; needs a word`);
  if (answer === null && !/___|\[MASK\]|<mask>|…\s*$/.test(text)) {
    const { before, word } = lastWord(text);
    return { before: `${before} `, after: '', answer: word };
  }
  return { ...splitBlank(text), answer: typeof answer === 'string' ? answer.trim() : null };
}

/**
 * Fills blanks, one after another: what a model puts there, and how likely it finds the right answer. A causal model sees
 * what stands before the blank and nothing after it.
 *
 * @throws where the model is neither causal nor masked, or an answer doesn't fit; or the signal's reason.
 */
export async function* cloze(
  model: Model,
  tokenizer: Tokenizer,
  items: readonly ClozeItem[],
  { topK = 5, mostPieces = 3, batchSize = 16, signal, onProgress }: ClozeOptions = {},
): AsyncGenerator<ClozeResult, void, undefined> {
  for (const [name, value, least] of [
    ['topK', topK, 0],
    ['batchSize', batchSize, 1],
    ['mostPieces', mostPieces, 1],
  ] as const)
    if (!(Number.isInteger(value) && value >= least))
      throw new Error(`cloze: ${name} is ${value}; needs a whole number from ${least}`);
  if (isSeq2Seq(model.network))
    throw new Error(`cloze: ${model.className} is an encoder-decoder; guessWord asks those for words`);
  const decoder = isCausalLM(model.network) ? model.decoder() : null;
  const extra = signal ? { signal } : {};
  try {
    for (let first = 0; first < items.length; first += batchSize) {
      const some = items.slice(first, first + batchSize);
      const scores = decoder
        ? await causalAnswers(decoder, tokenizer, some, signal)
        : await maskedAnswers(model, tokenizer, some, signal);
      for (const [i, item] of some.entries()) {
        signal?.throwIfAborted();
        const words = !topK
          ? []
          : decoder
            ? await nextWords(decoder, tokenizer, item.before, { topK, spaced: /\s$/.test(item.before), ...extra })
            : await maskedWords(model, tokenizer, item, { topK, mostPieces, ...extra });
        const score = scores[i] ?? null;
        const rank = words.findIndex(({ word }) => word === item.answer) + 1 || null;
        onProgress?.({ done: first + i + 1, total: items.length });
        yield { item, words, answer: score && { ...score, rank } };
      }
    }
  } finally {
    await decoder?.dispose();
  }
}

// An answer's tokens are those that the text with it has more than the text without.
async function causalAnswers(
  decoder: Decoder,
  tokenizer: Tokenizer,
  items: readonly ClozeItem[],
  signal?: AbortSignal,
): Promise<(TargetScore | null)[]> {
  const asked = items.flatMap((item, i) => (item.answer === null ? [] : [{ i, item, answer: item.answer }]));
  const found: (TargetScore | null)[] = items.map(() => null);
  if (!asked.length) return found;
  const rows = asked.map(({ item, answer }) => {
    const before = item.before.trimEnd();
    const space = before === item.before ? '' : ' ';
    const context = contextIds(tokenizer, before);
    const whole = contextIds(tokenizer, `${before}${space}${answer}`);
    const target = whole.slice(context.length);
    if (!target.length) throw new Error(`cloze: the answer ${JSON.stringify(answer)} has no tokens of its own`);
    return { context: whole.slice(0, context.length), target };
  });
  const scores = await targetScores(decoder, rows, signal);
  asked.forEach(({ i }, k) => (found[i] = scores[k]!));
  return found;
}

async function maskedAnswers(
  model: Model,
  tokenizer: Tokenizer,
  items: readonly ClozeItem[],
  signal?: AbortSignal,
): Promise<(TargetScore | null)[]> {
  const found: (TargetScore | null)[] = [];
  for (const item of items)
    found.push(item.answer === null ? null : await maskedScore(model, tokenizer, item, item.answer, signal));
  return found;
}

/** Scores over items whose answers are known. */
export interface ClozeReport {
  /** How often each token of the answer is the likeliest, as LAMBADA's accuracy in lm-evaluation-harness. */
  readonly accuracy: Proportion;
  /** e to the mean of −ln p of the answers. */
  readonly perplexity: number;
  /** How often the answer is among the words found, and the first of them; null where none were looked for. */
  readonly found: Proportion | null;
  readonly first: Proportion | null;
  /** Mean of one over how many tokens are at least as likely as the answer's first. */
  readonly reciprocalRank: number;
}

/** @throws where no answer is known. */
export function clozeReport(results: readonly ClozeResult[]): ClozeReport {
  const scored = results.flatMap(({ answer, words }) => (answer ? [{ answer, words }] : []));
  if (!scored.length) throw new Error('clozeReport: no answers are known; give items with an answer');
  const mean = (of: (answer: ClozeAnswer) => number): number =>
    scored.reduce((sum, { answer }) => sum + of(answer), 0) / scored.length;
  const isSought = scored.some(({ words }) => words.length > 0);
  const share = (is: (answer: ClozeAnswer) => boolean): Proportion =>
    proportion(scored.map(({ answer }) => is(answer)));
  return {
    accuracy: share(({ isGreedy }) => isGreedy),
    perplexity: Math.exp(-mean(({ logProb }) => logProb)),
    found: isSought ? share(({ rank }) => rank !== null) : null,
    first: isSought ? share(({ rank }) => rank === 1) : null,
    reciprocalRank: mean(({ firstTokenRank }) => 1 / firstTokenRank),
  };
}
