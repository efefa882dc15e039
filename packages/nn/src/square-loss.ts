// The squared error (Legendre, 1805), for numbers to be predicted.
import { mul, sub, type Tensor } from '@brickwork/graph';
import { reduceLoss, type LossOptions } from './reduction.ts';

/** (x - d)², its mean over everything unless told otherwise; x and the targets d broadcast. dx = 2 g (x - d). */
export function squareLoss(x: Tensor, d: Tensor, { reduction = 'mean' }: LossOptions = {}): Tensor {
  const error = sub(x, d);
  return reduceLoss(mul(error, error), reduction);
}

/** {@link squareLoss} as a brick: the mean squared error. */
export class Square {
  readonly options: LossOptions;
  constructor(options: LossOptions = {}) {
    this.options = options;
  }
  forward(x: Tensor, d: Tensor): Tensor {
    return squareLoss(x, d, this.options);
  }
}
