// A part of random size and proportions, resized (Szegedy et al., 2015): what ImageNet's networks are trained on since.
import type { Random } from '@brickwork/nn';
import type { Pixels, Region } from '../images/pixels.ts';
import { resize, type ResizeKernel } from '../images/resize.ts';
import { firstOf, rangeProblem, sides, sizeProblem, type SizeField } from './fields.ts';
import type { TransformKind } from './transform.ts';

/** Takes a part of random area and proportions, and resizes it. */
export interface RandomResizedCropTransform {
  readonly type: 'randomResizedCrop';
  readonly size: SizeField;
  /** The part's share of the area; [0.08, 1] unless given. */
  readonly scale?: readonly [number, number];
  /** Width by height, uniform in its logarithm; [3/4, 4/3] unless given. */
  readonly ratio?: readonly [number, number];
  readonly kernel?: ResizeKernel;
}

export const randomResizedCrop: TransformKind<RandomResizedCropTransform> = {
  fields: ['size', 'scale', 'ratio', 'kernel'],
  problem: ({ size, scale = [0.08, 1], ratio = [3 / 4, 4 / 3] }) =>
    firstOf(
      sizeProblem(size),
      rangeProblem('scale', scale, { least: 0, most: 1 }),
      rangeProblem('ratio', ratio, { least: 0.01, most: 100 }),
    ),
  apply: (image, t, draw) =>
    resize(image, sides(t.size), { region: regionOf(image, t, draw), ...(t.kernel && { kernel: t.kernel }) }),
};

// As torchvision: ten tries, then as much of the middle as the proportions allow.
function regionOf(image: Pixels, t: RandomResizedCropTransform, draw: Random): Region {
  const { scale = [0.08, 1], ratio = [3 / 4, 4 / 3] } = t;
  const [low, high] = ratio.map(Math.log) as [number, number];
  for (let i = 0; i < 10; i++) {
    const area = image.width * image.height * (scale[0] + (scale[1] - scale[0]) * draw.uniform());
    const shape = Math.exp(low + (high - low) * draw.uniform());
    const width = Math.round(Math.sqrt(area * shape));
    const height = Math.round(Math.sqrt(area / shape));
    if (width < 1 || height < 1 || width > image.width || height > image.height) continue;
    const top = draw.integer(image.height - height + 1);
    return { left: draw.integer(image.width - width + 1), top, width, height };
  }
  const own = image.width / image.height;
  const width = own > ratio[1] ? Math.max(1, Math.round(image.height * ratio[1])) : image.width;
  const height = own < ratio[0] ? Math.max(1, Math.round(image.width / ratio[0])) : image.height;
  return { left: (image.width - width) >> 1, top: (image.height - height) >> 1, width, height };
}
