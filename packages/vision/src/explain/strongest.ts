// What units wait for: of a whole set the images that make each of them strongest, and where in these (Zeiler and Fergus, 2014,
// figure 2). With `deconvnet`, what in them does.
import type { HostTensor } from '@brickwork/runtime';
import type { ImageSet } from '../data/image-set.ts';
import { readImages, type ReadImagesOptions } from '../train/evaluate-images.ts';
import { layerOf } from './grad-cam.ts';
import type { ImageClassifier } from './image-classifier.ts';

/** An image that makes a unit strong. */
export interface StrongImage {
  /** Its number in the set. */
  readonly index: number;
  readonly activation: number;
  /** In the unit's map. */
  readonly at: readonly [row: number, column: number];
}

/** Which units, and how many images of each. */
export interface StrongestOptions extends ReadImagesOptions {
  /** One of `classifier.layers()`. */
  readonly layer: string;
  /** Channels; all of the layer unless given. */
  readonly units?: readonly number[];
  /** Images of each unit; 9 unless given. */
  readonly topK?: number;
}

/** Of each unit its strongest images, strongest first; each image counts once, at its strongest place. */
export async function strongestImages(
  classifier: ImageClassifier,
  set: ImageSet,
  { layer, units, topK = 9, ...o }: StrongestOptions,
): Promise<Map<number, StrongImage[]>> {
  if (!(Number.isInteger(topK) && topK > 0))
    throw new Error(`strongestImages: topK is ${topK}; needs a whole number above 0`);
  const best = new Map<number, StrongImage[]>();
  for await (const { images, indices } of readImages(set, o)) {
    const { maps } = (await classifier.run(`maps ${layer}`, images, (traced) => ({
      maps: layerOf(traced, layer),
    }))) as { maps: HostTensor };
    const [, U, H, W] = maps.shape as [number, number, number, number];
    const wanted = units ?? Array.from({ length: U }, (_, u) => u);
    const values = maps.data as Float32Array;
    for (const unit of wanted) {
      if (!(Number.isInteger(unit) && unit >= 0 && unit < U))
        throw new Error(`strongestImages: the unit is ${unit}; ${layer} has 0 to ${U - 1}`);
      let own = best.get(unit) ?? [];
      indices.forEach((index, b) => {
        const from = (b * U + unit) * H * W;
        let place = 0;
        for (let i = 1; i < H * W; i++) if (values[from + i]! > values[from + place]!) place = i;
        own.push({ index, activation: values[from + place]!, at: [Math.floor(place / W), place % W] });
      });
      own = own.toSorted((a, b) => b.activation - a.activation || a.index - b.index).slice(0, topK);
      best.set(unit, own);
    }
  }
  return best;
}
