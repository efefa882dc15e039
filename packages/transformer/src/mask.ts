// Which positions may look at which: additive masks of 0 and a large negative number.
import { cast, constant, greater, less, range, sizeOf, sub, unsqueeze, where, type Tensor } from '@brickwork/graph';
import { masked } from './attention.ts';
import type { ForwardOptions } from './causal-lm.ts';

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

/** As {@link causalMask}, but position i sees only the last `window` positions, itself included; all where null. */
export function slidingMask(x: Tensor, axis: number, window: number | null): Tensor {
  const T = x.shape[axis]!;
  const causal = causalMask(x, axis);
  if (window === null || (typeof T === 'number' && T <= window)) return causal;
  if (typeof T === 'number') {
    const data = new Float32Array(T * T);
    for (let i = window; i < T; i++) data.fill(masked, i * T, i * T + i - window + 1);
    return causal.add(constant(data, [T, T]));
  }
  const at = range(sizeOf(x, axis), T); // (T)
  const earliest = sub(unsqueeze(at, 1), constant(BigInt64Array.of(BigInt(window - 1)), [])); // (T, 1)
  return causal.add(where(less(unsqueeze(at, 0), earliest), masked, 0)); // (T, T)
}

/** Keys where `attentionMask` (B, S), int64 as Hugging Face passes it, is 0 are hidden: (B, 1, 1, S). */
export function paddingMask(attentionMask: Tensor): Tensor {
  const hidden = sub(1, cast(attentionMask, 'float32')); // (B, S)
  return unsqueeze(unsqueeze(hidden.mul(masked), 1), 1); // (B, 1, 1, S)
}

/**
 * What makes the masks of a decoder's layers, by how many positions back they see (all where null), for ids (B, T). Layers
 * with equal windows share one.
 */
export function layerMasks(
  ids: Tensor,
  { mask, attentionMask }: Pick<ForwardOptions, 'mask' | 'attentionMask'>,
): (window: number | null) => Tensor {
  const known = new Map<number | null, Tensor>();
  const padding = attentionMask && paddingMask(attentionMask);
  return (window) => {
    let found = known.get(window);
    if (!found) {
      found = typeof mask === 'function' ? mask(window) : (mask ?? slidingMask(ids, 1, window));
      if (padding) found = found.add(padding);
      known.set(window, found);
    }
    return found;
  };
}
