// Colour taken away, for some of the images.
import { toColour, toGrey } from '../images/pixels.ts';
import { shareProblem } from './fields.ts';
import type { TransformKind } from './transform.ts';

/** Makes an image grey with a probability; it keeps its number of channels. */
export interface GrayscaleTransform {
  readonly type: 'grayscale';
  /** 0.1 unless given. */
  readonly probability?: number;
}

export const grayscale: TransformKind<GrayscaleTransform> = {
  fields: ['probability'],
  problem: ({ probability = 0.1 }) => shareProblem('probability', probability),
  apply: (image, { probability = 0.1 }, draw) =>
    draw.uniform() < probability && image.channels === 3 ? toColour(toGrey(image)) : image,
};
