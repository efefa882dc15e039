// A part of an image: from its middle, or from anywhere.
import { crop } from '../images/pixels.ts';
import { firstOf, sides, sizeProblem, type SizeField } from './fields.ts';
import type { TransformKind } from './transform.ts';

/** The middle of an image; beyond it black. */
export interface CenterCropTransform {
  readonly type: 'centerCrop';
  readonly size: SizeField;
}

/** A part from anywhere in an image with a border put around it; an image smaller than the size gets more border. */
export interface RandomCropTransform {
  readonly type: 'randomCrop';
  readonly size: SizeField;
  /** Pixels of border on each side; 0 unless given. */
  readonly padding?: number;
  /** The border's value, from 0 to 255; 0 unless given. */
  readonly fill?: number;
}

export const centerCrop: TransformKind<CenterCropTransform> = {
  fields: ['size'],
  problem: ({ size }) => sizeProblem(size),
  apply(image, { size }) {
    const { width, height } = sides(size);
    if (width === image.width && height === image.height) return image;
    const [left, top] = [Math.round((image.width - width) / 2), Math.round((image.height - height) / 2)];
    return crop(image, { left, top, width, height });
  },
};

export const randomCrop: TransformKind<RandomCropTransform> = {
  fields: ['size', 'padding', 'fill'],
  problem: ({ size, padding = 0, fill = 0 }) =>
    firstOf(
      sizeProblem(size),
      Number.isSafeInteger(padding) && padding >= 0 && padding <= 2 ** 12
        ? null
        : `padding is ${padding}; needs a whole number from 0 to ${2 ** 12}`,
      fill >= 0 && fill <= 255 ? null : `fill is ${fill}; needs a number from 0 to 255`,
    ),
  apply(image, { size, padding = 0, fill = 0 }, draw) {
    const { width, height } = sides(size);
    const start = (all: number, part: number): number => {
      const room = all + 2 * padding - part;
      return (room >= 0 ? draw.integer(room + 1) : Math.round(room / 2)) - padding;
    };
    const top = start(image.height, height);
    return crop(image, { left: start(image.width, width), top, width, height }, fill);
  },
};
