// The best finished sequences of one prompt's beam search, by the rules of Hugging Face's BeamHypotheses (transformers 4.38).

/** A sequence that is out of the search. */
export interface Hypothesis<T> {
  readonly value: T;
  /** sum of log-probabilities / length^lengthPenalty. */
  readonly score: number;
}

export interface HypothesesOptions {
  /** How many to keep. */
  readonly size: number;
  readonly lengthPenalty: number;
  readonly earlyStopping: boolean | 'never';
  /** The most tokens that can be generated. */
  readonly maxLength: number;
}

/** Keeps the `size` best. Lengths are of generated tokens, the end token included. */
export class BeamHypotheses<T> {
  readonly #options: HypothesesOptions;
  readonly #kept: Hypothesis<T>[] = [];
  #worst = Infinity;

  constructor(options: HypothesesOptions) {
    this.#options = options;
  }

  /** Adds a sequence if there is room or it beats the worst, which then leaves. */
  add(value: T, sumLogprobs: number, length: number): void {
    const score = this.#score(sumLogprobs, length);
    const { size } = this.#options;
    if (this.#kept.length >= size && !(score > this.#worst)) return;
    this.#kept.push({ value, score });
    if (this.#kept.length > size) this.#kept.splice(this.#lowest(), 1);
    this.#worst = this.#kept[this.#lowest()]!.score;
  }

  /**
   * Whether the search is over: there are enough sequences, and what is still running cannot (or with `earlyStopping` false:
   * at its present length would not) beat the worst of them.
   *
   * @param bestSumLogprobs of the best candidate of this step, finished ones included.
   * @param length of the candidates.
   */
  isDone(bestSumLogprobs: number, length: number): boolean {
    const { size, earlyStopping, lengthPenalty, maxLength } = this.#options;
    if (this.#kept.length < size) return false;
    if (earlyStopping === true) return true;
    // Sums are negative, so with a positive penalty the longest sequence has the best score within reach.
    const furthest = earlyStopping === 'never' && lengthPenalty > 0 ? maxLength : length;
    return this.#worst >= this.#score(bestSumLogprobs, furthest);
  }

  /** Best first; of equal ones the later first. */
  best(count: number): Hypothesis<T>[] {
    return this.#kept
      .map((hypothesis, i) => ({ hypothesis, i }))
      .sort((a, b) => b.hypothesis.score - a.hypothesis.score || b.i - a.i)
      .slice(0, count)
      .map(({ hypothesis }) => hypothesis);
  }

  #score(sumLogprobs: number, length: number): number {
    return sumLogprobs / Math.max(length, 1) ** this.#options.lengthPenalty;
  }

  #lowest(): number {
    let lowest = 0;
    this.#kept.forEach(({ score }, i) => {
      if (score < this.#kept[lowest]!.score) lowest = i;
    });
    return lowest;
  }
}
