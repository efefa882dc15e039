// How alike two vectors are.
import { checkSame } from './vector-pairs.ts';

/** Numbers in a row. */
export type Vector = ArrayLike<number>;

/** Σ aᵢ bᵢ. @throws where the vectors differ in length, as all of these. */
export function dot(a: Vector, b: Vector): number {
  checkSame('dot', a, b);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** The cosine of the angle between them, from -1 to 1; 0 where one is zeros. */
export function cosine(a: Vector, b: Vector): number {
  checkSame('cosine', a, b);
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  const lengths = Math.sqrt(aa) * Math.sqrt(bb);
  return lengths ? Math.max(-1, Math.min(1, ab / lengths)) : 0;
}

/** How far they are apart: √Σ (aᵢ - bᵢ)². */
export function euclidean(a: Vector, b: Vector): number {
  checkSame('euclidean', a, b);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(sum);
}

/** How far they are apart along the axes: Σ |aᵢ - bᵢ|. */
export function manhattan(a: Vector, b: Vector): number {
  checkSame('manhattan', a, b);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum;
}

/** How many bits differ, of vectors packed eight signs to a byte. */
export function hamming(a: Int8Array | Uint8Array, b: Int8Array | Uint8Array): number {
  checkSame('hamming', a, b);
  let bits = 0;
  for (let i = 0; i < a.length; i++) for (let x = (a[i]! ^ b[i]!) & 255; x; x &= x - 1) bits++;
  return bits;
}

/** The names of ways to compare. */
export type SimilarityName = 'cosine' | 'dot' | 'euclidean' | 'manhattan';

/**
 * A way to compare by its name, larger where vectors are more alike: distances are negative, as sentence-transformers has
 * them.
 */
export function similarityBy(name: SimilarityName): (a: Vector, b: Vector) => number {
  switch (name) {
    case 'cosine':
      return cosine;
    case 'dot':
      return dot;
    case 'euclidean':
      return (a, b) => -euclidean(a, b);
    case 'manhattan':
      return (a, b) => -manhattan(a, b);
    default:
      throw new Error(`similarity: no way ${JSON.stringify(name)}; there are cosine, dot, euclidean, manhattan`);
  }
}
