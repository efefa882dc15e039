// How likely a model finds the labels that it is given.
import {
  constant,
  equal,
  gather,
  nonZero,
  not,
  reshapeLike,
  scatterAdd,
  zerosLike,
  cast,
  type Tensor,
} from '@brickwork/graph';
import { crossEntropy, ignoreIndex } from '@brickwork/nn';

/** ln p of each int64 label (…) under logits (…, V): (…), and 0 where the label is -100. */
export const labelLogProbs = (logits: Tensor, labels: Tensor): Tensor =>
  crossEntropy(logits, labels, { reduction: 'none' }).neg();

/**
 * ln p of each int64 label (B, T) given hidden states (B, T, C), and 0 where the label is -100. The head is computed for
 * positions that have a label alone, and what is returned is a number for each: (B, T), not (B, T, V).
 *
 * @param head from (K, C) to logits (K, V)
 */
export function hiddenLogProbs(hidden: Tensor, labels: Tensor, head: (hidden: Tensor) => Tensor): Tensor {
  const all = labels.reshape([-1]); // (N)
  const own = nonZero(not(equal(all, constant(BigInt64Array.of(BigInt(ignoreIndex)), []))), 'K'); // (K)
  const logits = head(gather(hidden.reshape([-1, hidden.shape[2]!]), own)); // (K, V)
  const found = labelLogProbs(logits, gather(all, own)); // (K)
  return reshapeLike(scatterAdd(cast(zerosLike(all), 'float32'), own, found), labels);
}
