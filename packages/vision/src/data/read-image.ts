// One image of a set, made ready for the network: in this thread.
import { random, streamSeed } from '@brickwork/nn';
import { decodeImage } from '../images/decode-image.ts';
import { normalizeInto, sizeText, type Normalization } from '../images/normalize.ts';
import { toColour, toGrey, type Pixels } from '../images/pixels.ts';
import { applyTransforms, type Transform } from '../transforms/transform.ts';
import { itemName, type ImageSet } from './image-set.ts';

/** What becomes of images before the network sees them. */
export interface Preparation {
  readonly transforms: readonly Transform[];
  readonly normalization: Normalization;
  readonly channels: 1 | 3;
  /** Pictures of more pixels are refused. */
  readonly maxPixels?: number;
}

/** What is asked for: images by their numbers, each in its version of an epoch. */
export interface ImageRequest {
  readonly indices: readonly number[];
  /** The seed of each image's random numbers. */
  readonly seeds: readonly number[];
}

/** Images (C, H, W) one after the other, and those that could not be read. */
export interface ImageAnswer {
  readonly values: Float32Array;
  readonly shape: readonly [channels: number, height: number, width: number] | null;
  readonly broken: readonly { readonly at: number; readonly message: string }[];
}

/** The image of a number as it is stored. @throws where it is broken. */
export async function readImage(
  set: ImageSet,
  i: number,
  { channels, maxPixels }: Pick<Preparation, 'channels' | 'maxPixels'>,
): Promise<Pixels> {
  const { items } = set;
  if (items.kind === 'files')
    return decodeImage(items.paths[i]!, { channels, ...(maxPixels !== undefined && { maxPixels }) });
  const { width, height, channels: C, data } = items;
  const size = width * height * C;
  // Copied: what is shared can't be given to a library, and a transform may hand it on as it is.
  const own = Uint8Array.from(data.subarray(i * size, (i + 1) * size));
  const image = { width, height, channels: C, data: own };
  if (C === channels) return image;
  return channels === 3 ? toColour(image) : toGrey(image);
}

/** The image of a number, to look at. @throws where it is broken. */
export const storedImage = (set: ImageSet, i: number, channels: 1 | 3 = 3): Promise<Pixels> =>
  readImage(set, i, { channels });

// Images that are on their way at once: the library decodes each in a thread of its own.
const atOnce = 4;

/** Reads, transforms and normalises. Those that are broken leave zeros. */
export async function prepareImages(set: ImageSet, p: Preparation, r: ImageRequest): Promise<ImageAnswer> {
  let shape: ImageAnswer['shape'] = null;
  let values = new Float32Array(0);
  let first = '';
  const broken: { at: number; message: string }[] = [];
  const put = (image: Pixels, k: number): void => {
    const i = r.indices[k]!;
    if (!shape) {
      shape = [image.channels, image.height, image.width];
      values = new Float32Array(r.indices.length * image.data.length);
      first = `${itemName(set, i)}: ${sizeText(image)}`;
    }
    if (image.height !== shape[1] || image.width !== shape[2])
      throw new Error(
        `images of a batch have to be of one size: ${first}; ${itemName(set, i)}: ${sizeText(image)}; add a transform that resizes or crops`,
      );
    normalizeInto(values, k * image.data.length, image, p.normalization);
  };
  const make = async (k: number): Promise<Pixels | string> => {
    let image: Pixels;
    try {
      image = await readImage(set, r.indices[k]!, p);
    } catch (error) {
      return (error as Error).message;
    }
    return applyTransforms(image, p.transforms, random(r.seeds[k]!));
  };
  for (let begin = 0; begin < r.indices.length; begin += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, r.indices.length - begin) }, (_, i) => begin + i);
    const made = await Promise.all(some.map(make));
    made.forEach((one, i) =>
      typeof one === 'string' ? broken.push({ at: begin + i, message: one }) : put(one, begin + i),
    );
  }
  return { values, shape, broken };
}

/** The seed of an image's version: in each epoch, and for each view, another. */
export const imageSeed = (seed: number, epoch: number, i: number, view = 0): number =>
  streamSeed(seed, `image/${epoch}/${i}/${view}`);
