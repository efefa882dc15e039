// A square of an image covered (cutout: DeVries and Taylor, 2017), so that no single part decides.
import { pixels } from '../images/pixels.ts';
import { firstOf, shareProblem, sizeProblem } from './fields.ts';
import type { TransformKind } from './transform.ts';

/** Covers squares whose middles are anywhere in the image; parts of them may lie beyond it. */
export interface CutoutTransform {
  readonly type: 'cutout';
  /** The square's side. */
  readonly size: number;
  /** Squares in each image; 1 unless given. */
  readonly count?: number;
  /** What they are covered with, from 0 to 255; 0 unless given. */
  readonly fill?: number;
  /** How often it happens at all; 1 unless given. */
  readonly probability?: number;
}

export const cutout: TransformKind<CutoutTransform> = {
  fields: ['size', 'count', 'fill', 'probability'],
  problem: ({ size, count = 1, fill = 0, probability = 1 }) =>
    firstOf(
      sizeProblem(size),
      Number.isSafeInteger(count) && count > 0 ? null : `count is ${count}; needs a whole number above 0`,
      fill >= 0 && fill <= 255 ? null : `fill is ${fill}; needs a number from 0 to 255`,
      shareProblem('probability', probability),
    ),
  apply(image, { size, count = 1, fill = 0, probability = 1 }, draw) {
    if (draw.uniform() >= probability) return image;
    const { width: W, height: H, channels: C } = image;
    const out = pixels(W, H, C, image.data.slice());
    for (let i = 0; i < count; i++) {
      const [top, left] = [draw.integer(H) - (size >> 1), draw.integer(W) - (size >> 1)];
      for (let y = Math.max(0, top); y < Math.min(H, top + size); y++)
        out.data.fill(fill, (y * W + Math.max(0, left)) * C, (y * W + Math.min(W, left + size)) * C);
    }
    return out;
  },
};
