// The decoder's inputs that belong to labels: the same tokens, one place later, after the token that starts a target.
import { cast, concat, constant, less, reshapeLike, slice, where, zerosLike, type Tensor } from '@brickwork/graph';

/**
 * Labels int64 (B, T) as the decoder's inputs (B, T): `start` first, the last label left out, and `pad` for labels that
 * are not tokens (-100), as in Hugging Face.
 */
export function shiftRight(labels: Tensor, { start, pad }: { readonly start: number; readonly pad: number }): Tensor {
  const int64 = (value: number): Tensor => constant(BigInt64Array.of(BigInt(value)), []);
  const first = cast(zerosLike(slice(labels, 1, 0, 1)).add(start), 'int64'); // (B, 1)
  const shifted = reshapeLike(concat([first, slice(labels, 1, 0, -1)], 1), labels); // (B, T)
  return where(less(shifted, int64(0)), int64(pad), shifted);
}
