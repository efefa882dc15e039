// How likely a model finds the labels that it is given.
import type { Tensor } from '@brickwork/graph';
import { crossEntropy } from '@brickwork/nn';

/** ln p of each int64 label (…) under logits (…, V): (…), and 0 where the label is -100. */
export const labelLogProbs = (logits: Tensor, labels: Tensor): Tensor =>
  crossEntropy(logits, labels, { reduction: 'none' }).neg();
