// Which positions may look at which: additive masks of 0 and a large negative number.
import { cast, constant, equal, greater, less, mul, range, sizeOf, sub, sum, unsqueeze, where } from '@brickwork/graph';
import type { Tensor } from '@brickwork/graph';
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

/** Tokens see those of their own segment, int64 (B, T), alone: (B, 1, T, T). */
export function segmentMask(segments: Tensor): Tensor {
  const same = equal(unsqueeze(segments, 2), unsqueeze(segments, 1)); // (B, T, T)
  return unsqueeze(where(same, 0, masked), 1);
}

/** How many tokens of its own segment stand before each token: int64 (B, T). */
export function segmentPositions(segments: Tensor): Tensor {
  const at = range(sizeOf(segments, 1), segments.shape[1]!); // (T)
  const isBefore = cast(less(unsqueeze(at, 0), unsqueeze(at, 1)), 'float32'); // (T, T)
  const same = cast(equal(unsqueeze(segments, 2), unsqueeze(segments, 1)), 'float32'); // (B, T, T)
  return cast(sum(mul(same, isBefore), [2]), 'int64');
}

/**
 * What makes the masks of a decoder's layers, by how many positions back they see (all where null), for ids (B, T). Layers
 * with equal windows share one.
 */
export function layerMasks(
  ids: Tensor,
  { mask, attentionMask, segments }: Pick<ForwardOptions, 'mask' | 'attentionMask' | 'segments'>,
): (window: number | null) => Tensor {
  const known = new Map<number | null, Tensor>();
  const padding = attentionMask && paddingMask(attentionMask);
  const apart = segments && segmentMask(segments);
  return (window) => {
    let found = known.get(window);
    if (!found) {
      found = typeof mask === 'function' ? mask(window) : (mask ?? slidingMask(ids, 1, window));
      if (padding) found = found.add(padding);
      if (apart) found = found.add(apart);
      known.set(window, found);
    }
    return found;
  };
}
