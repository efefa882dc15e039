// AlexNet's lighting (Krizhevsky et al., 2012, section 4.1): along the directions in which the colours of a data set vary,
// every pixel of an image is moved by one random amount.
import { clip8, firstOf } from './fields.ts';
import { pixels } from '../images/pixels.ts';
import type { TransformKind } from './transform.ts';

/** Moves all colours of an image along their principal directions. */
export interface LightingTransform {
  readonly type: 'lighting';
  /** Deviation of the random amounts; 0.1, the paper's, unless given. */
  readonly std?: number;
  /** Of the covariance of colours from 0 to 1; those of ImageNet unless given. See `colorDirections`. */
  readonly eigenvalues?: readonly number[];
  /** Rows of red, green, blue; columns as the eigenvalues. */
  readonly eigenvectors?: readonly (readonly number[])[];
}

/** Principal directions of colours: see {@link LightingTransform}. */
export interface ColorDirections {
  readonly eigenvalues: readonly number[];
  readonly eigenvectors: readonly (readonly number[])[];
}

// Of ImageNet's training images, as they have been passed on since fb.resnet.torch (2016).
const imageNet: ColorDirections = {
  eigenvalues: [0.2175, 0.0188, 0.0045],
  eigenvectors: [
    [-0.5675, 0.7192, 0.4009],
    [-0.5808, -0.0045, -0.814],
    [-0.5836, -0.6948, 0.4203],
  ],
};

export const lighting: TransformKind<LightingTransform> = {
  fields: ['std', 'eigenvalues', 'eigenvectors'],
  problem: ({ std = 0.1, eigenvalues, eigenvectors }) =>
    firstOf(
      std >= 0 && Number.isFinite(std) ? null : `std is ${std}; needs a number from 0`,
      !eigenvalues === !eigenvectors ? null : 'needs eigenvalues and eigenvectors, or neither',
      !eigenvalues || (eigenvalues.length === 3 && eigenvalues.every((v) => v >= 0))
        ? null
        : 'eigenvalues need to be three numbers from 0',
      !eigenvectors || (eigenvectors.length === 3 && eigenvectors.every((row) => row.length === 3))
        ? null
        : 'eigenvectors need to be three rows of three',
    ),
  apply(image, { std = 0.1, eigenvalues = imageNet.eigenvalues, eigenvectors = imageNet.eigenvectors }, draw) {
    const amounts = eigenvalues.map((value) => value * std * draw.normal());
    const moved = eigenvectors.map((row) => 255 * row.reduce((sum, v, i) => sum + v * amounts[i]!, 0));
    const out = pixels(image.width, image.height, image.channels);
    // Of a grey image all three colours are one.
    const shift = image.channels === 3 ? moved : [moved.reduce((a, b) => a + b, 0) / 3];
    for (let i = 0; i < out.data.length; i++) out.data[i] = clip8(image.data[i]! + shift[i % image.channels]!);
    return out;
  },
};
