// Minimal pairs: does a model find the grammatical one of two sentences likelier (Linzen et al., 2016; BLiMP: Warstadt et al.,
// 2020)?
import { scoreOf, type Normalization } from '../aggregate.ts';
import type { Scored, ScoreItem } from '../scored.ts';
import type { ScoreOptions, Scorer } from '../scorer.ts';
import { proportion, type Proportion } from './proportion.ts';

/** Two sentences, one of them right, and what they are an example of. */
export interface MinimalPair {
  readonly good: string;
  readonly bad: string;
  /** The paradigm: BLiMP's UID. */
  readonly paradigm: string;
  /** BLiMP's field (syntax, morphology, …) and linguistics_term; null where not given. */
  readonly field: string | null;
  readonly term: string | null;
  /** Where both begin alike and differ in one word after that; null where not given. */
  readonly onePrefix: { readonly prefix: string; readonly good: string; readonly bad: string } | null;
  /** Where one word follows two different beginnings; null where not given. */
  readonly twoPrefix: { readonly good: string; readonly bad: string; readonly word: string } | null;
}

/** What of a pair is scored: whole sentences, or as BLiMP has it, one word after what stands before it. */
export type PairMethod = 'sentence' | 'one_prefix' | 'two_prefix';

/** How pairs are compared. */
export interface MinimalPairOptions extends Pick<ScoreOptions, 'batchSize' | 'pll' | 'signal'> {
  /** `sentence` unless given. */
  readonly method?: PairMethod;
  /** What log-probabilities are divided by; `sum`, nothing, unless given, as BLiMP has it. */
  readonly normalization?: Normalization;
  /** Told how many pairs are done, of how many. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** How one pair came out. */
export interface PairResult {
  readonly pair: MinimalPair;
  /** ln p, divided as asked. */
  readonly good: number;
  readonly bad: number;
  /** Whether the good one is likelier; equals, to 1e-5, are wrong. */
  readonly right: boolean;
}

/** Accuracy of minimal pairs. */
export interface MinimalPairReport {
  /** Mean of the paradigms' accuracies, as BLiMP reports it. */
  readonly overall: number;
  /** Share of all pairs. */
  readonly pairs: Proportion;
  /** By paradigm, in the order in which they came. */
  readonly paradigms: ReadonlyMap<string, PairScores>;
  /** Means of the accuracies of a field's and of a term's paradigms. */
  readonly fields: ReadonlyMap<string, number>;
  readonly terms: ReadonlyMap<string, number>;
  readonly results: readonly PairResult[];
}

/** Accuracy of one paradigm. */
export interface PairScores extends Proportion {
  readonly field: string | null;
  readonly term: string | null;
  /** Pairs whose sentences are equally likely; they count as wrong. */
  readonly ties: number;
}

/**
 * A pair as BLiMP's files have it: `sentence_good`, `sentence_bad` and, where they are there, `UID`, `field`,
 * `linguistics_term`, and the parts of the prefix methods.
 *
 * @param paradigm for a pair without a UID, such as the name of its file
 * @throws saying what is missing.
 */
export function minimalPair(row: Readonly<Record<string, unknown>>, paradigm: string = 'pairs'): MinimalPair {
  const text = (name: string): string => {
    const value = row[name];
    if (typeof value !== 'string' || !value.trim())
      throw new Error(
        `${name} is ${value === undefined ? 'missing' : JSON.stringify(value)}; needs a sentence (fields: sentence_good, sentence_bad, UID, field, linguistics_term)`,
      );
    return value;
  };
  const optional = (name: string): string | null => {
    const value = row[name];
    return typeof value === 'string' && value ? value : null;
  };
  const parts = (...names: readonly string[]): string[] | null => {
    const found = names.map(optional);
    return found.every((one) => one !== null) ? found : null;
  };
  const one = parts('one_prefix_prefix', 'one_prefix_word_good', 'one_prefix_word_bad');
  const two = parts('two_prefix_prefix_good', 'two_prefix_prefix_bad', 'two_prefix_word');
  return {
    good: text('sentence_good'),
    bad: text('sentence_bad'),
    paradigm: optional('UID') ?? paradigm,
    field: optional('field'),
    term: optional('linguistics_term'),
    onePrefix: one && { prefix: one[0]!, good: one[1]!, bad: one[2]! },
    twoPrefix: two && { good: two[0]!, bad: two[1]!, word: two[2]! },
  };
}

// The two things whose probabilities are compared.
function itemsOf(pair: MinimalPair, method: PairMethod): readonly [good: ScoreItem, bad: ScoreItem] {
  if (method === 'sentence') return [pair.good, pair.bad];
  const { onePrefix: one, twoPrefix: two } = pair;
  if (method === 'one_prefix' && one)
    return [
      { context: one.prefix, text: ` ${one.good}` },
      { context: one.prefix, text: ` ${one.bad}` },
    ];
  if (method === 'two_prefix' && two)
    return [
      { context: two.good, text: ` ${two.word}` },
      { context: two.bad, text: ` ${two.word}` },
    ];
  throw new Error(
    `minimalPairs: ${JSON.stringify(pair.good)} has no parts for the method ${method}; use the method sentence`,
  );
}

const methods: readonly PairMethod[] = ['sentence', 'one_prefix', 'two_prefix'];
// What stands beside a text in a batch may change its score by as much: scores that are closer are equal.
const rounding = 1e-5;
// Pairs at once: progress is told between.
const atOnce = 128;

/**
 * Compares the sentences of pairs under a model. Scores that are equal, or no numbers, count as wrong.
 *
 * ```ts
 * import { readRows } from '@brickwork/training';
 * import { minimalPair, minimalPairs, Scorer } from '@brickwork/transformer';
 *
 * const pairs = [];
 * for await (const { values } of readRows('blimp/*.jsonl.gz')) pairs.push(minimalPair(values));
 * const { overall, paradigms } = await minimalPairs(await Scorer.load('gpt2'), pairs);
 * ```
 *
 * @throws where there are no pairs, or one lacks what the method needs; and as {@link Scorer.score}.
 */
export async function minimalPairs(
  scorer: Pick<Scorer, 'score'>,
  pairs: readonly MinimalPair[],
  { method = 'sentence', normalization = 'sum', onProgress, ...options }: MinimalPairOptions = {},
): Promise<MinimalPairReport> {
  if (!methods.includes(method))
    throw new Error(`minimalPairs: the method is ${JSON.stringify(method)}; needs one of ${methods.join(', ')}`);
  if (!pairs.length) throw new Error('minimalPairs: there are no pairs; give one or more');
  const items = pairs.flatMap((pair) => itemsOf(pair, method));
  const results: PairResult[] = [];
  for (let first = 0; first < pairs.length; first += atOnce) {
    const some = pairs.slice(first, first + atOnce);
    const scored = await scorer.score(items.slice(2 * first, 2 * (first + some.length)), options);
    const value = (i: number): number => scoreOf(scored[i] as Scored, normalization);
    some.forEach((pair, i) => {
      const [good, bad] = [value(2 * i), value(2 * i + 1)];
      results.push({ pair, good, bad, right: good - bad > rounding });
    });
    onProgress?.({ done: results.length, total: pairs.length });
  }
  return pairReport(results);
}

/** Accuracies of results, by paradigm, field and term. */
export function pairReport(results: readonly PairResult[]): MinimalPairReport {
  const byParadigm = new Map<string, PairResult[]>();
  for (const one of results) {
    const own = byParadigm.get(one.pair.paradigm);
    if (own) own.push(one);
    else byParadigm.set(one.pair.paradigm, [one]);
  }
  const paradigms = new Map(
    [...byParadigm].map(([name, own]): [string, PairScores] => [
      name,
      {
        ...proportion(own.map(({ right }) => right)),
        field: own[0]!.pair.field,
        term: own[0]!.pair.term,
        ties: own.filter(({ good, bad }) => Math.abs(good - bad) <= rounding).length,
      },
    ]),
  );
  const scores = [...paradigms.values()];
  return {
    overall: mean(scores.map(({ value }) => value)),
    pairs: proportion(results.map(({ right }) => right)),
    paradigms,
    fields: meansBy(scores, 'field'),
    terms: meansBy(scores, 'term'),
    results,
  };
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

function meansBy(scores: readonly PairScores[], name: 'field' | 'term'): Map<string, number> {
  const groups = new Map<string, number[]>();
  for (const { [name]: key, value } of scores) if (key !== null) groups.set(key, [...(groups.get(key) ?? []), value]);
  return new Map([...groups].map(([key, values]) => [key, mean(values)]));
}
