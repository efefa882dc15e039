// One token's vector of each row of a batch.
import { add, gather, mul, range, sizeOf, type Tensor } from '@brickwork/graph';

/** hidden (B, T, C) at int64 `index` (B): (B, C). */
export function takeTokens(hidden: Tensor, index: Tensor): Tensor {
  const rows = add(index, mul(range(sizeOf(hidden, 0), index.shape[0]!), sizeOf(hidden, 1))); // (B), of B T
  return gather(hidden.reshape([-1, hidden.shape[2]!]), rows);
}
