// Label smoothing (Szegedy et al., 2016), as the Transformer of 2017 was trained with.
import { crossEntropy } from '@brickwork/nn';
import { nextLabels } from '@brickwork/transformer';
import type { Objective } from '../network-step.ts';

/**
 * Cross-entropy of `labels` (B, T) under `logits` (B, T, V), a share of the target spread evenly over all classes; labels
 * of -100 are left out.
 *
 * @param o the share, 0.1 unless given; and whether position t predicts label t+1, as in causal models
 */
export function labelSmoothing({ share = 0.1, shift = false }: { share?: number; shift?: boolean } = {}): Objective {
  return (outputs, { labels }) => {
    if (!outputs['logits'] || !labels) throw new Error('label smoothing: needs a network with logits, and labels');
    return crossEntropy(outputs['logits'](), shift ? nextLabels(labels) : labels, { labelSmoothing: share });
  };
}
