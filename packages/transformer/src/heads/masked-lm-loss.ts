// The loss of a masked language model (Devlin et al., 2019), over the few positions that have a label: no logits are
// computed for the others.
import { constant, equal, gather, nonZero, not, type Tensor } from '@brickwork/graph';
import { ignoreIndex, linearCrossEntropy } from '@brickwork/nn';

/** What stands between hidden states and logits: a transformation of each position, then a linear layer (V, C). */
export interface MaskedLMHead {
  /** Of hidden states (…, C): (…, C). */
  transform(hidden: Tensor): Tensor;
  readonly weight: Tensor;
  readonly bias: Tensor | null;
}

/** Mean cross-entropy in nats of int64 labels (B, T) for hidden states (B, T, C); labels of -100 are left out. */
export function maskedLMLoss(hidden: Tensor, labels: Tensor, { transform, weight, bias }: MaskedLMHead): Tensor {
  const all = labels.reshape([-1]); // (N)
  const own = nonZero(not(equal(all, constant(BigInt64Array.of(BigInt(ignoreIndex)), []))), 'labels'); // (K)
  const x = transform(gather(hidden.reshape([-1, hidden.shape[2]!]), own)); // (K, C)
  return linearCrossEntropy(x, weight, gather(all, own), bias).loss;
}
