// Words as points of a space (Mikolov et al., 2013; Pennington et al., 2014), in which what is alike is near, and differences
// have meanings: neighbours, analogies, the odd one out.
import { nearest as nearestName } from '@brickwork/transformer';
import { TopK } from '../search/top-k.ts';

/** A word with its cosine to what was asked, or its score by 3CosMul. */
export interface WordScore {
  readonly word: string;
  readonly score: number;
}

/** Which words count. */
export interface NeighbourOptions {
  /** How many; 10 unless given. */
  readonly k?: number;
  /** Only the first so many words: the most frequent ones, where they are in that order; all unless given. */
  readonly among?: number;
}

/** How analogies are found. */
export interface AnalogyOptions extends NeighbourOptions {
  /**
   * `3CosAdd`: the word nearest to the sum of the unit vectors (Mikolov et al., 2013). `3CosMul`: cosines, shifted to 0 to 1,
   * multiplied and divided, so that no one of them weighs more (Levy and Goldberg, 2014). `3CosAdd` unless given.
   */
  readonly method?: '3CosAdd' | '3CosMul';
}

/** Words and their vectors. */
export class WordVectors {
  readonly words: readonly string[];
  /** Row-major, (V, D). */
  readonly vectors: Float32Array;
  readonly dimension: number;
  /** How often each word stood in the text that they were trained on, where that is known. */
  readonly counts: ArrayLike<number> | null;
  readonly #index = new Map<string, number>();
  #units: Float32Array | null = null;

  /** @throws where there are no words, one is there twice, or the vectors don't fill rows or aren't finite. */
  constructor(words: readonly string[], vectors: Float32Array, o: { readonly counts?: ArrayLike<number> } = {}) {
    const V = words.length;
    if (!V) throw new Error('WordVectors: there are no words; needs one at least');
    const dimension = vectors.length / V;
    if (!Number.isInteger(dimension) || dimension < 1)
      throw new Error(`WordVectors: ${vectors.length} values for ${V} words; needs as many for each`);
    if (o.counts && o.counts.length !== V) throw new Error(`WordVectors: ${o.counts.length} counts for ${V} words`);
    words.forEach((word, i) => {
      if (this.#index.has(word)) throw new Error(`WordVectors: ${JSON.stringify(word)} is there twice`);
      this.#index.set(word, i);
    });
    for (let i = 0; i < vectors.length; i++)
      if (!Number.isFinite(vectors[i]))
        throw new Error(
          `WordVectors: the vector of ${JSON.stringify(words[Math.floor(i / dimension)])} has ${vectors[i]}; needs finite numbers`,
        );
    [this.words, this.vectors, this.dimension, this.counts] = [words, vectors, dimension, o.counts ?? null];
  }

  has(word: string): boolean {
    return this.#index.has(word);
  }

  /** A word's row. @throws where there is no such word, with one that is spelled nearly so. */
  indexOf(word: string): number {
    const found = this.#index.get(word);
    if (found !== undefined) return found;
    const lower = word.toLowerCase();
    // Of many words, the edit distance is asked of those that begin alike.
    const close = this.#index.has(lower)
      ? lower
      : nearestName(
          word,
          this.words
            .filter((w) => w[0]?.toLowerCase() === lower[0] && Math.abs(w.length - word.length) < 4)
            .slice(0, 20_000),
        );
    throw new Error(`there is no vector of ${JSON.stringify(word)}${close === null ? '' : `; did you mean ${close}?`}`);
  }

  /** A word's vector, which is not to be changed. @throws where there is no such word. */
  vector(word: string): Float32Array {
    const i = this.indexOf(word);
    return this.vectors.subarray(i * this.dimension, (i + 1) * this.dimension);
  }

  /** A word's vector at length one (zeros stay zeros), which is not to be changed. */
  unit(word: string): Float32Array {
    const i = this.indexOf(word);
    return this.units.subarray(i * this.dimension, (i + 1) * this.dimension);
  }

  /** All vectors at length one. */
  get units(): Float32Array {
    if (this.#units) return this.#units;
    const units = Float32Array.from(this.vectors);
    const D = this.dimension;
    for (let from = 0; from < units.length; from += D) {
      let squares = 0;
      for (let i = from; i < from + D; i++) squares += units[i]! ** 2;
      const length = Math.sqrt(squares);
      if (length > 0) for (let i = from; i < from + D; i++) units[i]! /= length;
    }
    return (this.#units = units);
  }

  /** The cosine of two words. */
  similarity(a: string, b: string): number {
    return dot(this.unit(a), this.unit(b));
  }

  /** The words nearest to a word (itself left out) or to a vector, by cosine. */
  neighbours(of: string | ArrayLike<number>, o: NeighbourOptions = {}): WordScore[] {
    if (typeof of === 'string') return this.#best(this.unit(of), [of], o);
    if (of.length !== this.dimension)
      throw new Error(`neighbours: the vector has ${of.length} values; the words' have ${this.dimension}`);
    const length = Math.sqrt(dot(of, of));
    if (!Number.isFinite(length)) throw new Error('neighbours: the vector isn’t finite');
    return this.#best(
      Float64Array.from(of, (x) => (length ? x / length : 0)),
      [],
      o,
    );
  }

  /**
   * `a` is to `b` as `c` is to what? The question's words are no answers.
   *
   * @throws where a word has no vector.
   */
  analogy(a: string, b: string, c: string, o: AnalogyOptions = {}): WordScore[] {
    return this.combine({ positive: [b, c], negative: [a] }, o);
  }

  /** The words near to all of some words and to none of others. */
  combine(
    { positive, negative = [] }: { readonly positive: readonly string[]; readonly negative?: readonly string[] },
    { method = '3CosAdd', ...o }: AnalogyOptions = {},
  ): WordScore[] {
    const given = [...positive, ...negative];
    if (!given.length) throw new Error('combine: no words given; needs one at least');
    if (method === '3CosAdd') {
      const sum = new Float64Array(this.dimension);
      for (const word of positive) this.unit(word).forEach((x, i) => (sum[i]! += x));
      for (const word of negative) this.unit(word).forEach((x, i) => (sum[i]! -= x));
      const length = Math.sqrt(dot(sum, sum));
      return this.#best(
        sum.map((x) => (length ? x / length : 0)),
        given,
        o,
      );
    }
    if (method !== '3CosMul') throw new Error(`combine: method is ${JSON.stringify(method)}; needs 3CosAdd or 3CosMul`);
    const V = this.#among(o);
    const scores = new Float64Array(V).fill(1);
    for (const word of positive) this.#cosines(this.unit(word), V).forEach((x, i) => (scores[i]! *= (1 + x) / 2));
    for (const word of negative)
      this.#cosines(this.unit(word), V).forEach((x, i) => (scores[i]! /= (1 + x) / 2 + 1e-6));
    return this.#top(scores, given, o);
  }

  /** The word that is least like the others: the lowest cosine with the mean of all unit vectors. The last is it. */
  oddOneOut(words: readonly string[]): WordScore[] {
    if (words.length < 3) throw new Error(`oddOneOut: ${words.length} words; needs three at least`);
    const mean = new Float64Array(this.dimension);
    for (const word of words) this.unit(word).forEach((x, i) => (mean[i]! += x / words.length));
    const length = Math.sqrt(dot(mean, mean)) || 1;
    return words
      .map((word) => ({ word, score: dot(this.unit(word), mean) / length }))
      .toSorted((a, b) => b.score - a.score);
  }

  #among({ among = this.words.length, k = 10 }: NeighbourOptions): number {
    if (!(Number.isInteger(k) && k > 0)) throw new Error(`neighbours: k is ${k}; needs a whole number above 0`);
    if (!(Number.isInteger(among) && among > 0))
      throw new Error(`neighbours: among is ${among}; needs a whole number above 0`);
    return Math.min(among, this.words.length);
  }

  #cosines(of: ArrayLike<number>, V: number): Float64Array {
    const [units, D] = [this.units, this.dimension];
    const out = new Float64Array(V);
    for (let v = 0, at = 0; v < V; v++) {
      let sum = 0;
      for (let i = 0; i < D; i++) sum += units[at++]! * of[i]!;
      out[v] = sum;
    }
    return out;
  }

  #best(of: ArrayLike<number>, except: readonly string[], o: NeighbourOptions): WordScore[] {
    return this.#top(this.#cosines(of, this.#among(o)), except, o);
  }

  #top(scores: Float64Array, except: readonly string[], { k = 10 }: NeighbourOptions): WordScore[] {
    const out = new Set(except.map((word) => this.indexOf(word)));
    const top = new TopK(k);
    for (let v = 0; v < scores.length; v++) if (!out.has(v)) top.offer(scores[v]!, v);
    return top.sorted().map(({ row, score }) => ({ word: this.words[row]!, score }));
  }
}

/** The sum of products, in float64. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
