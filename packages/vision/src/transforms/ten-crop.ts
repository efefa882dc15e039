// AlexNet's evaluation (Krizhevsky et al., 2012, section 4.1): the corners and the middle, and all five mirrored; what counts
// is the mean of the ten predictions.
import { crop, mirror, type Pixels } from '../images/pixels.ts';
import { sides, sizeProblem, type SizeField } from './fields.ts';

/**
 * Upper left, upper right, lower left, lower right, middle; then the same five mirrored.
 *
 * @throws where the image is smaller than the size.
 */
export function tenCrop(image: Pixels, size: SizeField): Pixels[] {
  const why = sizeProblem(size);
  if (why) throw new Error(`tenCrop: ${why}`);
  const { width, height } = sides(size);
  const [right, bottom] = [image.width - width, image.height - height];
  if (right < 0 || bottom < 0)
    throw new Error(`tenCrop: ${width} by ${height} of an image of ${image.width} by ${image.height}; resize it first`);
  const corners = [
    [0, 0],
    [right, 0],
    [0, bottom],
    [right, bottom],
    [Math.round(right / 2), Math.round(bottom / 2)],
  ] as const;
  const five = corners.map(([left, top]) => crop(image, { left, top, width, height }));
  return [...five, ...five.map(mirror)];
}
