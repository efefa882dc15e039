// Axes of meaning: from pairs of words that differ in one thing (man and woman, king and queen), the direction of that thing, and
// where other words lie along it (Bolukbasi et al., 2016; An et al., 2018, 'SemAxis'; Caliskan et al., 2017).
import { dot, type WordScore, type WordVectors } from './word-vectors.ts';

/** How an axis is made. */
export interface AxisOptions {
  /**
   * `mean`: the mean of the pairs' differences. `pca`: the direction in which the pairs' words differ most from their middles
   * (Bolukbasi et al., 2016). `mean` unless given.
   */
  readonly method?: 'mean' | 'pca';
}

/** A direction of length one, from what stands first in the pairs to what stands second. */
export interface SemanticAxis {
  readonly direction: Float64Array;
  readonly pairs: readonly (readonly [from: string, to: string])[];
}

/** @throws where there are no pairs, a word has no vector, or the pairs have no direction in common. */
export function semanticAxis(
  vectors: WordVectors,
  pairs: readonly (readonly [from: string, to: string])[],
  { method = 'mean' }: AxisOptions = {},
): SemanticAxis {
  if (!pairs.length) throw new Error('semanticAxis: there are no pairs; needs one at least, such as good and bad');
  if (method !== 'mean' && method !== 'pca')
    throw new Error(`semanticAxis: method is ${JSON.stringify(method)}; needs mean or pca`);
  const differences = pairs.map(([from, to]) => {
    const [a, b] = [vectors.unit(from), vectors.unit(to)];
    return Float64Array.from(b, (x, i) => x - a[i]!);
  });
  const mean = new Float64Array(vectors.dimension);
  for (const one of differences) one.forEach((x, i) => (mean[i]! += x / differences.length));
  const direction = method === 'mean' ? mean : firstComponent(differences, mean);
  const length = Math.sqrt(dot(direction, direction));
  if (!(length > 1e-12)) throw new Error('semanticAxis: the pairs have no direction in common; give others');
  return { direction: direction.map((x) => x / length), pairs };
}

/** Where words lie: the cosine with the axis, below 0 towards the first of its pairs. In order, lowest first. */
export function projectWords(vectors: WordVectors, axis: SemanticAxis, words: readonly string[]): WordScore[] {
  return words
    .map((word) => ({ word, score: dot(vectors.unit(word), axis.direction) }))
    .toSorted((a, b) => a.score - b.score);
}

/** The words farthest towards both ends. */
export function axisEnds(
  vectors: WordVectors,
  axis: SemanticAxis,
  { k = 10, among }: { readonly k?: number; readonly among?: number } = {},
): { readonly from: WordScore[]; readonly to: WordScore[] } {
  const o = { k, ...(among !== undefined && { among }) };
  const from = vectors.neighbours(
    axis.direction.map((x) => 0 - x),
    o,
  );
  return {
    from: from.map(({ word, score }) => ({ word, score: 0 - score })),
    to: vectors.neighbours(axis.direction, o),
  };
}

// Both words of a pair are half a difference from its middle, so the squares are the differences'. Power iteration, from the
// mean, whose side the direction keeps.
function firstComponent(differences: readonly Float64Array[], mean: Float64Array): Float64Array {
  let direction = mean.some((x) => x !== 0) ? mean : differences[0]!;
  for (let i = 0; i < 200; i++) {
    const next = new Float64Array(mean.length);
    for (const one of differences) {
      const along = dot(one, direction);
      one.forEach((x, j) => (next[j]! += along * x));
    }
    const length = Math.sqrt(dot(next, next));
    if (!(length > 0)) return next;
    direction = next.map((x) => x / length);
  }
  return dot(direction, mean) < 0 ? direction.map((x) => 0 - x) : direction;
}
