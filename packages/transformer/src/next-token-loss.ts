// The loss of next-token prediction (GPT: Radford et al., 2018), straight from hidden states.
import { cast, concat, reshapeLike, slice, zerosLike, type Tensor } from '@brickwork/graph';
import { ignoreIndex, linearCrossEntropy } from '@brickwork/nn';

/** The label after each: (B, T) to (B, T), -100 after the last. */
export function nextLabels(labels: Tensor): Tensor {
  const none = cast(zerosLike(slice(labels, 1, 0, 1)).add(ignoreIndex), 'int64'); // (B, 1)
  return reshapeLike(concat([slice(labels, 1, 1), none], 1), labels);
}

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
  const next = shift ? nextLabels(labels) : labels; // (B, T)
  return linearCrossEntropy(hidden.reshape([-1, hidden.shape[2]!]), weight, next.reshape([-1])).loss;
}
