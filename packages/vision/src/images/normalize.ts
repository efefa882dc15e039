// From pixels to what a network sees, and back: (value / 255 - mean) / deviation by channel, or less the mean image, as
// AlexNet was trained.
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { pixels, type Pixels } from './pixels.ts';

/** How values become numbers around 0. */
export interface Normalization {
  /** Of values from 0 to 1, by channel; 0 unless given. */
  readonly mean?: readonly number[];
  /** By channel; 1 unless given. */
  readonly std?: readonly number[];
  /** The mean image of the training set, of values from 0 to 1, (C, H, W); takes the place of `mean`. */
  readonly meanImage?: Float32Array;
}

/** Means and deviations of photographs (ImageNet's), as nearly all trained networks expect them. */
export const imageNetNormalization: Required<Omit<Normalization, 'meanImage'>> = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

/** @throws where there aren't as many numbers as channels, or a deviation isn't above 0. */
export function checkNormalization(n: Normalization, channels: number): void {
  for (const name of ['mean', 'std'] as const) {
    const given = n[name];
    if (given && (given.length !== channels || !given.every(Number.isFinite)))
      throw new Error(
        `normalization: ${name} is [${given.join(', ')}]; needs a number for each of ${channels} channels`,
      );
  }
  if (n.std?.some((d) => d <= 0)) throw new Error(`normalization: std is [${n.std.join(', ')}]; needs numbers above 0`);
}

/** Writes an image as (C, H, W) into `out`, from place `at` on. */
export function normalizeInto(out: Float32Array, at: number, image: Pixels, n: Normalization): void {
  const { width, height, channels: C, data } = image;
  const places = width * height;
  if (n.meanImage && n.meanImage.length !== C * places)
    throw new Error(
      `normalization: the mean image has ${n.meanImage.length} values, the image ${C * places} (${C}, ${height}, ${width}); crop to the size that it was made for`,
    );
  for (let c = 0; c < C; c++) {
    const scale = 1 / (n.std?.[c] ?? 1);
    const mean = n.mean?.[c] ?? 0;
    const from = c * places;
    if (n.meanImage)
      for (let i = 0; i < places; i++) out[at + from + i] = (data[i * C + c]! / 255 - n.meanImage[from + i]!) * scale;
    else for (let i = 0; i < places; i++) out[at + from + i] = (data[i * C + c]! / 255 - mean) * scale;
  }
}

/**
 * Images of one size as float32 (B, C, H, W).
 *
 * @throws where they differ in size, or the numbers don't fit their channels.
 */
export function imagesTensor(images: readonly Pixels[], n: Normalization = {}): HostTensor {
  const [first] = images;
  if (!first) throw new Error('imagesTensor: there are no images');
  const { width, height, channels: C } = first;
  checkNormalization(n, C);
  const size = width * height * C;
  const out = new Float32Array(images.length * size);
  images.forEach((image, b) => {
    if (image.width !== width || image.height !== height || image.channels !== C)
      throw new Error(
        `imagesTensor: image ${b} is ${sizeText(image)}, the first ${sizeText(first)}; resize or crop them to one size`,
      );
    normalizeInto(out, b * size, image, n);
  });
  return hostTensor(out, [images.length, C, height, width]);
}

/** The images that (B, C, H, W) numbers were made of, to look at; what is beyond black and white is cut off. */
export function imagesOf({ data, shape }: HostTensor, n: Normalization = {}): Pixels[] {
  const [B, C, H, W] = shape as [number, number, number, number];
  if (shape.length !== 4 || (C !== 1 && C !== 3))
    throw new Error(`imagesOf: (${shape.join(', ')}); needs (B, 1 or 3, H, W)`);
  checkNormalization(n, C);
  const places = H * W;
  return Array.from({ length: B }, (_, b) => {
    const image = pixels(W, H, C);
    for (let c = 0; c < C; c++)
      for (let i = 0; i < places; i++) {
        const mean = n.meanImage ? n.meanImage[c * places + i]! : (n.mean?.[c] ?? 0);
        const value = Number(data[(b * C + c) * places + i]) * (n.std?.[c] ?? 1) + mean;
        image.data[i * C + c] = Math.max(0, Math.min(255, Math.round(255 * value)));
      }
    return image;
  });
}

/** `28 by 28, grey`. */
export const sizeText = ({ width, height, channels }: Pick<Pixels, 'width' | 'height' | 'channels'>): string =>
  `${width} by ${height}, ${channels === 1 ? 'grey' : 'in colour'}`;
