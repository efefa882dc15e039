// Words on a plane: the two directions in which chosen vectors differ most (PCA), or a picture that keeps neighbours together
// (UMAP: McInnes et al., 2018).
import { random } from '@brickwork/nn';
import type { WordVectors } from './word-vectors.ts';

/** A word's place. */
export interface MappedWord {
  readonly word: string;
  readonly x: number;
  readonly y: number;
}

/** How words are laid out. */
export interface WordMapOptions {
  /** `pca` keeps directions, so that pairs of one kind have parallel differences; `umap` keeps neighbours. `pca` unless given. */
  readonly method?: 'pca' | 'umap';
  /** UMAP: how many neighbours count; 15, or as many as there are, unless given. */
  readonly neighbours?: number;
  /** UMAP: the same seed gives the same map; 1 unless given. */
  readonly seed?: number;
}

/** @throws where fewer than three words are given, one of them twice, or one has no vector. */
export async function wordMap(
  vectors: WordVectors,
  words: readonly string[],
  o: WordMapOptions = {},
): Promise<MappedWord[]> {
  const { method = 'pca', neighbours = 15, seed = 1 } = o;
  if (words.length < 3) throw new Error(`wordMap: ${words.length} words; needs three at least`);
  if (new Set(words).size < words.length) throw new Error('wordMap: a word is there twice');
  const rows = words.map((word) => Array.from(vectors.unit(word)));
  let places: number[][];
  if (method === 'pca') {
    const { PCA } = await import('ml-pca');
    const pca = new PCA(rows);
    places = pca.predict(rows, { nComponents: 2 }).to2DArray();
    // A component's sign is nobody's: the first word that isn't in the middle stands on the right, and above.
    for (const axis of [0, 1]) {
      const first = places.find((place) => Math.abs(place[axis] ?? 0) > 1e-9);
      if (first && first[axis]! < 0) for (const place of places) place[axis] = 0 - place[axis]!;
    }
  } else if (method === 'umap') {
    if (!(Number.isInteger(neighbours) && neighbours > 1))
      throw new Error(`wordMap: neighbours is ${neighbours}; needs a whole number above 1`);
    const { UMAP } = await import('umap-js');
    const draw = random(seed);
    const cosine = (a: number[], b: number[]): number => 1 - a.reduce((sum, x, i) => sum + x * b[i]!, 0);
    const umap = new UMAP({
      nNeighbors: Math.min(neighbours, words.length - 1),
      random: () => draw.uniform(),
      distanceFn: cosine,
    });
    places = umap.fit(rows);
  } else throw new Error(`wordMap: method is ${JSON.stringify(method)}; needs pca or umap`);
  return words.map((word, i) => ({ word, x: places[i]![0] ?? 0, y: places[i]![1] ?? 0 }));
}
