// The loss of a label for every token.
import type { Tensor } from '@brickwork/graph';
import { crossEntropy } from '@brickwork/nn';

/** Mean cross-entropy in nats of int64 labels (B, T) under logits (B, T, N); labels of -100 are left out. */
export const tokenLoss = (logits: Tensor, labels: Tensor): Tensor => crossEntropy(logits, labels);
