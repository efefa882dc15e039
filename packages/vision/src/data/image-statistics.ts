// Numbers of a whole set: its mean image, the means and deviations of its channels, the directions of its colours.
import { random } from '@brickwork/nn';
import { applyTransforms, checkTransforms, type Transform } from '../transforms/transform.ts';
import type { ColorDirections } from '../transforms/lighting.ts';
import type { ImageSet } from './image-set.ts';
import { readImage } from './read-image.ts';

/** What is known of a set. */
export interface ImageStatistics {
  /** Of values from 0 to 1, by channel. */
  readonly mean: number[];
  readonly std: number[];
  /** (C, H, W), as AlexNet's inputs were centred. */
  readonly meanImage: Float32Array;
  /** For the transform `lighting`; null for grey images. */
  readonly colors: ColorDirections | null;
}

/** How a set is looked at. */
export interface ImageStatisticsOptions {
  /** Brings images to one size; none unless given. */
  readonly transforms?: readonly Transform[];
  /** 3 unless given. */
  readonly channels?: 1 | 3;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** @throws where an image is broken, or of another size than the first. */
export async function imageStatistics(set: ImageSet, o: ImageStatisticsOptions = {}): Promise<ImageStatistics> {
  const { transforms = [], channels: C = 3, signal, onProgress } = o;
  checkTransforms(transforms);
  if (!set.count) throw new Error(`${set.name}: there are no images`);
  let sums: Float64Array | null = null;
  let places = 0;
  const products = new Float64Array(C * C);
  for (let i = 0; i < set.count; i++) {
    signal?.throwIfAborted();
    const image = await applyTransforms(await readImage(set, i, { channels: C }), transforms, random(0));
    const { data, width, height } = image;
    sums ??= new Float64Array(data.length);
    places ||= width * height;
    if (data.length !== sums.length)
      throw new Error(
        `${set.name}: image ${i} is ${width} by ${height}, the first has ${places} pixels; add a transform that resizes or crops`,
      );
    for (let k = 0; k < data.length; k += C)
      for (let a = 0; a < C; a++) {
        sums[k + a]! += data[k + a]! / 255;
        for (let b = 0; b < C; b++) products[a * C + b]! += (data[k + a]! / 255) * (data[k + b]! / 255);
      }
    onProgress?.({ done: i + 1, total: set.count });
  }
  const n = set.count * places;
  const mean = Array.from({ length: C }, (_, c) => {
    let sum = 0;
    for (let k = c; k < sums!.length; k += C) sum += sums![k]!;
    return sum / n;
  });
  const covariance = Array.from({ length: C }, (_, a) =>
    Array.from({ length: C }, (__, b) => products[a * C + b]! / n - mean[a]! * mean[b]!),
  );
  const meanImage = new Float32Array(C * places);
  for (let p = 0; p < places; p++)
    for (let c = 0; c < C; c++) meanImage[c * places + p] = sums![p * C + c]! / set.count;
  return {
    mean,
    std: covariance.map((row, c) => Math.sqrt(Math.max(0, row[c]!))),
    meanImage,
    colors: C === 3 ? await directions(covariance) : null,
  };
}

// The directions of a covariance matrix, that of most variation first. What `lighting` multiplies by 0.1 is the deviation along
// each: on the variances themselves the paper's 0.1 would be far too much or too little.
async function directions(covariance: number[][]): Promise<ColorDirections> {
  const { PCA } = await import('ml-pca');
  const pca = new PCA(covariance, { isCovarianceMatrix: true });
  return {
    eigenvalues: pca.getEigenvalues().map((value) => Math.sqrt(Math.max(0, value))),
    eigenvectors: pca.getEigenvectors().to2DArray(),
  };
}
