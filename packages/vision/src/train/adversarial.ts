// Adversarial training (Goodfellow et al., 2015; Madry et al., 2018): some images of each batch are changed so that the network,
// as it is just then, errs; it learns their right names all the same.
import { hostTensor } from '@brickwork/runtime';
import type { Counted, NamedBatch } from '@brickwork/training';
import { attack, type AttackOptions } from '../attacks/attack.ts';
import type { ImageClassifier } from '../explain/image-classifier.ts';
import type { Normalization } from '../images/normalize.ts';

/** How images are changed. */
export interface AdversarialOptions extends Pick<
  AttackOptions,
  'epsilon' | 'norm' | 'steps' | 'stepSize' | 'randomStart'
> {
  /** Of a batch, how many images are changed; 0.5 unless given. */
  readonly share?: number;
}

/**
 * Changes the first images of a batch against a classifier. Labels stay.
 *
 * @throws where an option makes no sense, or the images were centred by a mean image.
 */
export async function adversarialBatch(
  { batch, count }: Counted<NamedBatch>,
  classifier: ImageClassifier,
  { share = 0.5, ...o }: AdversarialOptions & { readonly normalization?: Normalization; readonly seed?: number },
): Promise<Counted<NamedBatch>> {
  if (!(share > 0 && share <= 1)) throw new Error(`adversarial: share is ${share}; needs a number above 0, 1 at most`);
  const { normalization = {}, ...how } = o;
  if (normalization.meanImage)
    throw new Error('adversarial: the images are centred by a mean image; give a mean for each channel instead');
  const { pixel_values: images, labels } = batch;
  if (!images || !labels) throw new Error('adversarial: the batch needs pixel_values and labels');
  const [B, ...shape] = images.shape as [number, ...number[]];
  const size = shape.reduce((a, b) => a * b, 1);
  const n = Math.max(1, Math.round(share * B));
  const some = hostTensor((images.data as Float32Array).slice(0, n * size), [n, ...shape]);
  const own = Array.from((labels.data as BigInt64Array).slice(0, n), Number);
  const { adversarial } = await attack(classifier, some, {
    ...how,
    labels: own,
    ...(normalization.mean && { mean: normalization.mean }),
    ...(normalization.std && { std: normalization.std }),
  });
  const data = Float32Array.from(images.data as Float32Array);
  data.set(adversarial.data as Float32Array);
  return { batch: { ...batch, pixel_values: hostTensor(data, images.shape) }, count };
}
