// Cross-entropy of images' classes, smoothed and mixed.
import { add, mul, sub, type Tensor } from '@brickwork/graph';
import { crossEntropy } from '@brickwork/nn';
import type { Objective } from '@brickwork/training';

/**
 * Mean cross-entropy in nats of `logits` (B, classes) and `labels` (B). Where a batch was mixed (`mixBatch`), that of both
 * labels by their shares.
 *
 * @param labelSmoothing the share of the target that is spread evenly over all classes; 0 unless given
 */
export function imageLoss({ labelSmoothing = 0 }: { readonly labelSmoothing?: number } = {}): Objective {
  if (!(labelSmoothing >= 0 && labelSmoothing < 1))
    throw new Error(`image loss: labelSmoothing is ${labelSmoothing}; needs a number from 0 and below 1`);
  return (outputs, { labels, other_labels: others, share }) => {
    if (!outputs['logits'] || !labels)
      throw new Error('image loss: needs a classifier, which gives logits, and labels');
    const logits = outputs['logits']();
    const of = (target: Tensor): Tensor => crossEntropy(logits, target, labelSmoothing ? { labelSmoothing } : {});
    if (!others || !share) return of(labels);
    return add(mul(of(labels), share), mul(of(others), sub(1, share)));
  };
}
