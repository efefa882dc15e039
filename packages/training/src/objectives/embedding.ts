// One vector for each text, from the vectors of its tokens (Reimers and Gurevych, 2019).
import {
  add,
  cast,
  constant,
  div,
  equal,
  GraphError,
  maximum,
  mul,
  slice,
  sqrt,
  squeeze,
  sum,
  unsqueeze,
  where,
} from '@brickwork/graph';
import { max, type Tensor } from '@brickwork/graph';
import type { Outputs } from '@brickwork/nn';

/** Which vector stands for a text: the mean of its tokens', the first token's, or the largest of each channel. */
export type Pooling = 'mean' | 'cls' | 'max';

/** (B, T, C) to (B, C); what the mask (B, T) has as 0 doesn't count. */
export function pool(hidden: Tensor, mask: Tensor | undefined, pooling: Pooling): Tensor {
  if (pooling === 'cls') return squeeze(slice(hidden, 1, 0, 1), 1);
  const weight = mask && unsqueeze(cast(mask, 'float32'), 2); // (B, T, 1)
  if (pooling === 'mean') {
    if (!weight) return div(sum(hidden, [1]), hidden.shape[1] as number);
    return div(sum(mul(hidden, weight), [1]), maximum(sum(weight, [1]), 1e-9));
  }
  if (pooling !== 'max') throw new GraphError(`pool: no pooling ${JSON.stringify(pooling)}; there are mean, cls, max`);
  if (!weight) return max(hidden, [1]);
  return max(add(hidden, where(equal(weight, constant(Float32Array.of(0), [])), -1e9, 0)), [1]);
}

/** Vectors of length one, (…, C). */
export const unit = (x: Tensor): Tensor => div(x, maximum(sqrt(sum(mul(x, x), [-1], true)), 1e-12));

/** The texts' vectors of a pass over a body without a head. */
export function embeddings(outputs: Outputs, inputs: Readonly<Record<string, Tensor>>, pooling: Pooling): Tensor {
  if (!outputs['last_hidden_state'])
    throw new Error('embeddings: the network gives no last_hidden_state; use a model without a head');
  return pool(outputs['last_hidden_state'](), inputs['attention_mask'], pooling);
}
