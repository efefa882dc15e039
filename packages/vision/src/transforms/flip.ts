// Left and right exchanged, for half of the images.
import { mirror } from '../images/pixels.ts';
import { shareProblem } from './fields.ts';
import type { TransformKind } from './transform.ts';

/** Exchanges left and right with a probability. */
export interface FlipTransform {
  readonly type: 'flip';
  /** 0.5 unless given. */
  readonly probability?: number;
}

export const flip: TransformKind<FlipTransform> = {
  fields: ['probability'],
  problem: ({ probability = 0.5 }) => shareProblem('probability', probability),
  apply: (image, { probability = 0.5 }, draw) => (draw.uniform() < probability ? mirror(image) : image),
};
