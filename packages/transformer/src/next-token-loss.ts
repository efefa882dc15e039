// The loss of next-token prediction (GPT: Radford et al., 2018), straight from hidden states.
import { concat, constant, slice, type Tensor } from '@brickwork/graph';
import { linearCrossEntropy } from '@brickwork/nn';

/**
 * Mean cross-entropy in nats of `labels` int64 (B, T) under the head `weight` (V, C), for hidden states (B, T, C).
 *
 * @param shift whether position t predicts label t+1, as in Hugging Face; otherwise label t. Labels of -100 are left out.
 */
export function nextTokenLoss(
  hidden: Tensor,
  weight: Tensor,
  labels: Tensor,
  { shift = true }: { readonly shift?: boolean } = {},
): Tensor {
  const [B, T, C] = hidden.shape as [number, number, number];
  const none = constant(new BigInt64Array(B).fill(-100n), [B, 1]);
  const next = shift ? concat([slice(labels, 1, 1), none], 1) : labels; // (B, T)
  return linearCrossEntropy(hidden.reshape([B * T, C]), weight, next.reshape([B * T])).loss;
}
