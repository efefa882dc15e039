// Turned, moved, scaled and slanted at random about the middle (Simard et al., 2003).
import { pixels, type Pixels } from '../images/pixels.ts';
import { clip8, firstOf, rangeProblem } from './fields.ts';
import type { TransformKind } from './transform.ts';

/** An affine map with random numbers; between pixels by their four neighbours. */
export interface AffineTransform {
  readonly type: 'affine';
  /** Turns by up to so many degrees either way; 0 unless given. */
  readonly degrees?: number;
  /** Moves by up to this share of the width and height; [0, 0] unless given. */
  readonly translate?: readonly [number, number];
  /** Scales by a factor in this range; [1, 1] unless given. */
  readonly scale?: readonly [number, number];
  /** Slants by up to so many degrees either way; 0 unless given. */
  readonly shear?: number;
  /** What stands beyond the image, from 0 to 255; 0 unless given. */
  readonly fill?: number;
}

export const affine: TransformKind<AffineTransform> = {
  fields: ['degrees', 'translate', 'scale', 'shear', 'fill'],
  problem: ({ degrees = 0, translate = [0, 0], scale = [1, 1], shear = 0, fill = 0 }) =>
    firstOf(
      degrees >= 0 && degrees <= 180 ? null : `degrees is ${degrees}; needs a number from 0 to 180`,
      translate.length === 2 && translate.every((t) => t >= 0 && t <= 1)
        ? null
        : `translate is [${translate.join(', ')}]; needs two numbers from 0 to 1`,
      rangeProblem('scale', scale, { least: 0.01, most: 100 }),
      shear >= 0 && shear < 90 ? null : `shear is ${shear}; needs a number from 0 and below 90`,
      fill >= 0 && fill <= 255 ? null : `fill is ${fill}; needs a number from 0 to 255`,
    ),
  apply(image, { degrees = 0, translate = [0, 0], scale = [1, 1], shear = 0, fill = 0 }, draw) {
    const either = (most: number): number => most * (2 * draw.uniform() - 1);
    const angle = (either(degrees) * Math.PI) / 180;
    const slant = Math.tan((either(shear) * Math.PI) / 180);
    const size = scale[0] + (scale[1] - scale[0]) * draw.uniform();
    const dx = either(translate[0]) * image.width;
    const dy = either(translate[1]) * image.height;
    const [c, s] = [Math.cos(angle) * size, Math.sin(angle) * size];
    return warp(image, { matrix: [c, -s + c * slant, s, c + s * slant], shift: [dx, dy], fill });
  },
};

/** A map of the plane about an image's middle: where (x, y) goes is matrix · (x, y) + shift. */
export interface Warp {
  /** By rows. */
  readonly matrix: readonly [number, number, number, number];
  readonly shift: readonly [number, number];
  readonly fill?: number;
}

/**
 * An image under an affine map, of the same size.
 *
 * @throws where the map has no inverse.
 */
export function warp(image: Pixels, { matrix: [a, b, c, d], shift: [dx, dy], fill = 0 }: Warp): Pixels {
  const { width: W, height: H, channels: C, data } = image;
  const determinant = a * d - b * c;
  if (!(Math.abs(determinant) > 1e-12)) throw new Error('warp: the map takes the plane to a line; it has no inverse');
  const out = pixels(W, H, C);
  const [mx, my] = [(W - 1) / 2, (H - 1) / 2];
  for (let y = 0; y < H; y++)
    for (let x = 0; x < W; x++) {
      const [u, v] = [x - mx - dx, y - my - dy];
      const fromX = (d * u - b * v) / determinant + mx;
      const fromY = (-c * u + a * v) / determinant + my;
      const [left, top] = [Math.floor(fromX), Math.floor(fromY)];
      const [right, below] = [fromX - left, fromY - top];
      for (let k = 0; k < C; k++) {
        const at = (i: number, j: number): number =>
          i < 0 || j < 0 || i >= H || j >= W ? fill : data[(i * W + j) * C + k]!;
        const upper = at(top, left) * (1 - right) + at(top, left + 1) * right;
        const lower = at(top + 1, left) * (1 - right) + at(top + 1, left + 1) * right;
        out.data[(y * W + x) * C + k] = clip8(upper * (1 - below) + lower * below);
      }
    }
  return out;
}
