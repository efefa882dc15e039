// Images as vectors: what a network's last hidden layer makes of them, to search by and to learn from.
import { reshape, type Tensor } from '@brickwork/graph';
import type { ImageSet } from '../data/image-set.ts';
import type { ImageClassifier } from '../explain/image-classifier.ts';
import { readImages, type ReadImagesOptions } from './evaluate-images.ts';
import { lastHidden } from './last-hidden.ts';

/** Vectors of images. */
export interface ImageFeatures {
  /** Row by row, (count, dimension). */
  readonly data: Float32Array;
  readonly count: number;
  readonly dimension: number;
  /** The numbers in the set of those that could be read. */
  readonly indices: readonly number[];
}

/** Which vectors. */
export interface ImageFeaturesOptions extends ReadImagesOptions {
  /**
   * A layer by its name (see `ImageClassifier.layers`), all of whose values make the vector; the last hidden layer, which the
   * classifier's own last layer reads, unless given.
   */
  readonly layer?: string;
}

/** @throws where there is no such layer, or the network ends in no linear layer. */
export async function imageFeatures(
  classifier: ImageClassifier,
  set: ImageSet,
  o: ImageFeaturesOptions = {},
): Promise<ImageFeatures> {
  const rows: Float32Array[] = [];
  const indices: number[] = [];
  let dimension = 0;
  for await (const { images, indices: own } of readImages(set, o)) {
    const { features } = await classifier.run(`features ${o.layer ?? ''}`, images, ({ logits, layers }) => {
      const found: Tensor | undefined = o.layer === undefined ? lastHidden(logits) : layers.get(o.layer);
      if (!found) throw new Error(`there is no layer ${o.layer}; there are ${[...layers.keys()].join(', ')}`);
      return { features: reshape(found, [images.shape[0]!, -1]) };
    });
    rows.push(features!.data as Float32Array);
    dimension = features!.shape[1]!;
    indices.push(...own);
  }
  const data = new Float32Array(indices.length * dimension);
  rows.reduce((at, row) => (data.set(row, at), at + row.length), 0);
  return { data, count: indices.length, dimension, indices };
}
