// What a classifier is worth on held-out pictures, as training tells it.
import type { ImageModel, ImageSet } from '@brickwork/vision';
import type { Scores } from './scores.ts';
import type { ImageDataArgs } from './vision-data.ts';

/** Accuracy, and that of five guesses where there are more than five classes. */
export function evaluationScores(
  model: ImageModel,
  set: ImageSet,
  a: Pick<ImageDataArgs, 'skipBroken' | 'workers'>,
): () => Promise<Scores> {
  return async () => {
    const { evaluateImages } = await import('@brickwork/vision');
    const { transforms, normalization, channels } = model.processor;
    const { accuracy, top5 } = await evaluateImages(model.classifier, set, {
      ...{ transforms, normalization, channels },
      ...(a.workers !== undefined && { workers: a.workers }),
      ...(a.skipBroken && { onBroken: () => {} }),
    });
    return { accuracy, ...(model.classes.length > 5 && { top5_accuracy: top5 }) };
  };
}
