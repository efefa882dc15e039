// How well a classifier names the images of a set.
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { accuracy, confusionMatrix, topKAccuracy, type ConfusionMatrix } from '@brickwork/training';
import { ImageCrew } from '../data/image-crew.ts';
import { itemName, type ImageSet } from '../data/image-set.ts';
import { inOrder, type ReadImages } from '../data/in-order.ts';
import { readImage } from '../data/read-image.ts';
import type { ImageClassifier } from '../explain/image-classifier.ts';
import { checkNormalization, imagesTensor, type Normalization } from '../images/normalize.ts';
import { random } from '@brickwork/nn';
import type { SizeField } from '../transforms/fields.ts';
import { tenCrop } from '../transforms/ten-crop.ts';
import { applyTransforms, checkTransforms, type Transform } from '../transforms/transform.ts';

/** How images are read and shown to the network. */
export interface ReadImagesOptions {
  /** Resizing and cropping, mostly; none unless given. */
  readonly transforms?: readonly Transform[];
  readonly normalization?: Normalization;
  /** 3 unless given. */
  readonly channels?: 1 | 3;
  /** Images in one pass; 64 unless given. */
  readonly batchSize?: number;
  /** Threads that read; 1 unless given. */
  readonly workers?: number;
  /** Called with each broken image, which is left out. Without it such an image is an error. */
  readonly onBroken?: (message: string) => void;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/**
 * All images of a set, in order, in batches.
 *
 * @throws where an image is broken and `onBroken` isn't given, or they differ in size.
 */
export async function* readImages(set: ImageSet, o: ReadImagesOptions = {}): AsyncGenerator<ReadImages, void, void> {
  const { transforms = [], normalization = {}, channels = 3, batchSize: B = 64, workers = 1, signal } = o;
  if (!(Number.isSafeInteger(B) && B > 0)) throw new Error(`images: batchSize is ${B}; needs a whole number above 0`);
  checkTransforms(transforms);
  checkNormalization(normalization, channels);
  const crew = new ImageCrew(set, { transforms, normalization, channels }, set.count > B ? workers : 0);
  try {
    yield* inOrder(set, crew, { batchSize: B, ahead: 1, signal, onBroken: o.onBroken, onProgress: o.onProgress });
  } finally {
    await crew.close();
  }
}

/** What a classifier made of a set. */
export interface ImageEvaluation {
  /** Mean cross-entropy in nats. */
  readonly loss: number;
  /** Share whose first choice is right, and among whose first five is the right one. */
  readonly accuracy: number;
  readonly top5: number;
  /** Of each image that could be read: its number in the set, its class, the class it was taken for and how surely. */
  readonly indices: readonly number[];
  readonly actual: readonly number[];
  readonly predicted: readonly number[];
  readonly confidence: readonly number[];
  readonly confusion: ConfusionMatrix;
}

/** How to evaluate. */
export interface EvaluateImagesOptions extends ReadImagesOptions {
  /**
   * Takes the mean of the probabilities of ten crops of this size, of images as `transforms` leave them (AlexNet's protocol,
   * see `tenCrop`); not unless given.
   */
  readonly tenCrop?: SizeField;
}

/** @throws where the set has no classes, or others than the network. */
export async function evaluateImages(
  classifier: ImageClassifier,
  set: ImageSet,
  o: EvaluateImagesOptions = {},
): Promise<ImageEvaluation> {
  const { labels } = set;
  if (!labels) throw new Error(`${set.name}: its images have no classes to compare with`);
  const [indices, actual, predicted, confidence, scores]: number[][] = [[], [], [], [], []];
  let loss = 0;
  let V = 0;
  for await (const { images, indices: own } of o.tenCrop ? tenCrops(set, o.tenCrop, o) : readImages(set, o)) {
    const crops = images.shape[0]! / own.length;
    const { probabilities } = await classifier.classify(images);
    own.forEach((i, k) => {
      const all = probabilities.slice(k * crops, (k + 1) * crops);
      const mean = Array.from(all[0]!, (_, c) => all.reduce((sum, p) => sum + p[c]!, 0) / crops);
      V = mean.length;
      const right = labels[i]!;
      if (right >= V)
        throw new Error(`${itemName(set, i)}: its class is number ${right}; the network tells 0 to ${V - 1} apart`);
      let best = 0;
      for (let c = 1; c < V; c++) if (mean[c]! > mean[best]!) best = c;
      loss -= Math.log(Math.max(mean[right]!, Number.MIN_VALUE));
      indices!.push(i);
      actual!.push(right);
      predicted!.push(best);
      confidence!.push(mean[best]!);
      for (const p of mean) scores!.push(p);
    });
  }
  if (!indices!.length) throw new Error(`${set.name}: there are no images that can be read`);
  return {
    loss: loss / indices!.length,
    accuracy: accuracy(predicted!, actual!),
    top5: topKAccuracy(scores!, actual!, Math.min(5, V)),
    indices: indices!,
    actual: actual!,
    predicted: predicted!,
    confidence: confidence!,
    confusion: confusionMatrix(predicted!, actual!, V),
  };
}

// Ten images for each of a few of the set.
async function* tenCrops(set: ImageSet, size: SizeField, o: ReadImagesOptions): AsyncGenerator<ReadImages, void, void> {
  const { transforms = [], normalization = {}, channels = 3, batchSize = 64, signal, onBroken } = o;
  checkTransforms(transforms);
  const few = Math.max(1, Math.floor(batchSize / 10));
  for (let first = 0; first < set.count; first += few) {
    signal?.throwIfAborted();
    const made: HostTensor[] = [];
    const indices: number[] = [];
    for (let i = first; i < Math.min(set.count, first + few); i++)
      try {
        const image = await applyTransforms(await readImage(set, i, { channels }), transforms, random(0));
        made.push(imagesTensor(tenCrop(image, size), normalization));
        indices.push(i);
      } catch (error) {
        if (!onBroken) throw error;
        onBroken((error as Error).message);
      }
    if (made.length) {
      const data = new Float32Array(made.reduce((n, t) => n + t.data.length, 0));
      made.reduce((at, t) => (data.set(t.data as Float32Array, at), at + t.data.length), 0);
      yield { images: hostTensor(data, [10 * made.length, ...made[0]!.shape.slice(1)]), indices };
    }
    o.onProgress?.({ done: Math.min(set.count, first + few), total: set.count });
  }
}
