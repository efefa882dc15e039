// The hinge loss of support vector machines (Cortes and Vapnik, 1995), for a choice between two classes.
import { mul, relu, sub, type Tensor } from '@brickwork/graph';
import { reduceLoss, type LossOptions } from './reduction.ts';

/** What the hinge takes besides {@link LossOptions}. */
export interface HingeOptions extends LossOptions {
  /** How far on the right side a score has to be; 1 unless given. */
  readonly margin?: number;
}

/**
 * max(0, margin - c x) for scores x and labels c of -1 or 1, in shapes that broadcast; the mean over everything unless
 * told otherwise. dx = -g c where c x < margin, else 0.
 */
export function hingeLoss(x: Tensor, c: Tensor, { margin = 1, reduction = 'mean' }: HingeOptions = {}): Tensor {
  return reduceLoss(relu(sub(margin, mul(x, c))), reduction);
}

/** {@link hingeLoss} as a brick. */
export class Hinge {
  readonly options: HingeOptions;
  constructor(options: HingeOptions = {}) {
    this.options = options;
  }
  forward(x: Tensor, c: Tensor): Tensor {
    return hingeLoss(x, c, this.options);
  }
}
