// Images that a network takes for alike: those whose vectors in its last hidden layer are nearest (Krizhevsky et al., 2012,
// figure 4), which sees what is shown and not which pixels show it.
import type { ImageFeatures } from '../train/image-features.ts';

/** One image and how far it is. */
export interface SimilarImage {
  /** Its number in the set. */
  readonly index: number;
  readonly distance: number;
}

/** How images are compared. */
export interface SimilarImagesOptions {
  /** How many; 6 unless given, as in the paper's figure. */
  readonly topK?: number;
  /** `euclidean` unless given; `cosine` is 1 less the cosine. */
  readonly by?: 'euclidean' | 'cosine';
  /** Images that don't count: the query itself, mostly. */
  readonly except?: readonly number[];
}

/**
 * The nearest images, nearest first; of equally near ones the one that comes first.
 *
 * @throws where the vectors are of different layers.
 */
export function similarImages(
  query: ArrayLike<number>,
  among: ImageFeatures,
  o: SimilarImagesOptions = {},
): SimilarImage[] {
  const { topK = 6, by = 'euclidean', except = [] } = o;
  const { data, count, dimension: D, indices } = among;
  if (query.length !== D)
    throw new Error(`similarImages: the query has ${query.length} values, the images ${D}; needs both from one layer`);
  if (!(Number.isInteger(topK) && topK > 0))
    throw new Error(`similarImages: topK is ${topK}; needs a whole number above 0`);
  if (by !== 'euclidean' && by !== 'cosine')
    throw new Error(`similarImages: by is ${JSON.stringify(by)}; needs euclidean or cosine`);
  const left = new Set(except);
  const own = Math.hypot(...Array.from(query));
  const found: SimilarImage[] = [];
  for (let i = 0; i < count; i++) {
    if (left.has(indices[i]!)) continue;
    let [squares, product, length] = [0, 0, 0];
    for (let d = 0; d < D; d++) {
      const [a, b] = [query[d]!, data[i * D + d]!];
      squares += (a - b) ** 2;
      product += a * b;
      length += b * b;
    }
    const norm = own * Math.sqrt(length);
    found.push({
      index: indices[i]!,
      distance: by === 'cosine' ? 1 - (norm ? product / norm : 0) : Math.sqrt(squares),
    });
  }
  return found.toSorted((a, b) => a.distance - b.distance || a.index - b.index).slice(0, topK);
}
