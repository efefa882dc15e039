// The gradient of each image's cross-entropy with respect to its pixels: what attacks go up, or down towards a class.
import { gradients, logSoftmax, neg, sum } from '@brickwork/graph';
import type { HostTensor } from '@brickwork/runtime';
import { pick, targetFeed, targetInput, type ImageClassifier } from '../explain/image-classifier.ts';

/** Gradients (B, C, H, W), and the logits (B, classes) that they were taken at. */
export async function lossGradients(
  classifier: ImageClassifier,
  pixels: HostTensor,
  labels: readonly number[],
): Promise<{ gradients: Float32Array; logits: Float32Array }> {
  const out = await classifier.run(
    'loss gradients',
    pixels,
    ({ pixels: at, logits }) => {
      const losses = neg(pick(logSoftmax(logits), targetInput(at))); // (B)
      return { slope: gradients(sum(losses), [at])[0]!, logits };
    },
    { targets: targetFeed(labels) },
  );
  return { gradients: out['slope']!.data as Float32Array, logits: out['logits']!.data as Float32Array };
}
