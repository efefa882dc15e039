// Relative positions in buckets (T5: Raffel et al., 2020, section 2.1): near distances have one each, farther ones share
// buckets that grow like the logarithm, and each bucket adds a learned number to the scores of each head.
import { add, constant, gather, maximum, minimum, sub, unsqueeze, type Tensor } from '@brickwork/graph';

/** How distances fall into buckets. */
export interface Buckets {
  readonly count: number;
  /** From this distance on all share the last bucket. */
  readonly maxDistance: number;
  /** Whether keys after the query have buckets of their own, half of them; otherwise they fall into bucket 0. */
  readonly bidirectional: boolean;
}

/** The bucket of a key that stands `relative` places after the query; in float32 as the reference computes it. */
export function bucketOf(relative: number, { count, maxDistance, bidirectional }: Buckets): number {
  const own = bidirectional ? Math.floor(count / 2) : count;
  const first = bidirectional && relative > 0 ? own : 0;
  const distance = bidirectional ? Math.abs(relative) : Math.max(0, -relative);
  const exact = Math.floor(own / 2);
  if (distance < exact) return first + distance;
  const { fround, log } = Math;
  const part = fround(fround(log(fround(distance / exact))) / fround(log(maxDistance / exact)));
  return first + Math.min(own - 1, exact + Math.trunc(fround(part * (own - exact))));
}

/**
 * What a table (buckets, H) adds to the scores of keys that stand `relative` places after the queries, int64 (T, S) or
 * (B, T, S): (1, H, T, S) or (B, H, T, S).
 */
export function relativeBias(table: Tensor, relative: Tensor, buckets: Buckets): Tensor {
  const far = buckets.maxDistance;
  const int64 = (value: number): Tensor => constant(BigInt64Array.of(BigInt(value)), []);
  const known = constant(BigInt64Array.from({ length: 2 * far + 1 }, (_, i) => BigInt(bucketOf(i - far, buckets))));
  const near = minimum(maximum(relative, int64(-far)), int64(far));
  const bias = gather(table, gather(known, add(near, int64(far)))); // (…, T, S, H)
  return bias.rank === 3 ? unsqueeze(bias.permute([2, 0, 1]), 0) : bias.permute([0, 3, 1, 2]);
}

/** How many places after each query each key stands: positions (…, T) and (…, S) to (…, T, S). */
export const relativePositions = (queries: Tensor, keys: Tensor): Tensor =>
  sub(unsqueeze(keys, -2), unsqueeze(queries, -1));
