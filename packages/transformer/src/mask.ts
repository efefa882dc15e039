// Which positions may look at which: additive masks of 0 and a large negative number.
import { cast, constant, greater, range, sizeOf, sub, unsqueeze, where, type Tensor } from '@brickwork/graph';
import { masked } from './attention.ts';

/** Position i sees positions up to i: (T, T), for the T positions of axis `axis` of `x`. */
export function causalMask(x: Tensor, axis: number): Tensor {
  const T = x.shape[axis]!;
  if (typeof T === 'number') {
    const data = new Float32Array(T * T);
    for (let i = 0; i < T; i++) data.fill(masked, i * T + i + 1, (i + 1) * T);
    return constant(data, [T, T]);
  }
  const at = range(sizeOf(x, axis), T); // (T)
  return where(greater(unsqueeze(at, 0), unsqueeze(at, 1)), masked, 0); // (T, T)
}

/** Keys where `attentionMask` (B, S), int64 as Hugging Face passes it, is 0 are hidden: (B, 1, 1, S). */
export function paddingMask(attentionMask: Tensor): Tensor {
  const hidden = sub(1, cast(attentionMask, 'float32')); // (B, S)
  return unsqueeze(unsqueeze(hidden.mul(masked), 1), 1); // (B, 1, 1, S)
}
