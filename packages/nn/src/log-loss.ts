// The logistic loss (Cox, 1958), for a choice between two classes: minus the logarithm of the right one's probability.
import { mul, neg, softplus, sub, type Tensor } from '@brickwork/graph';
import { reduceLoss, type LossOptions } from './reduction.ts';

/**
 * log(1 + e^(-c x)) for scores x and labels c of -1 or 1: minus the logarithm of the probability sigmoid(c x) that the
 * score gives to its label, without overflow. A probability p has the score log(p / (1 - p)). The mean over everything
 * unless told otherwise. dx = -g c sigmoid(-c x).
 */
export function logLoss(x: Tensor, c: Tensor, { reduction = 'mean' }: LossOptions = {}): Tensor {
  return reduceLoss(softplus(neg(mul(x, c))), reduction);
}

/**
 * The same loss for labels t between 0 and 1: -t log sigmoid(x) - (1 - t) log(1 - sigmoid(x)), the binary cross-entropy
 * of scores x, computed as log(1 + e^x) - t x. The mean over everything unless told otherwise. dx = g (sigmoid(x) - t).
 */
export function binaryCrossEntropy(x: Tensor, t: Tensor, { reduction = 'mean' }: LossOptions = {}): Tensor {
  return reduceLoss(sub(softplus(x), mul(x, t)), reduction);
}

/** {@link logLoss} as a brick: scores and labels of -1 or 1, in shapes that broadcast. */
export class Log {
  readonly options: LossOptions;
  constructor(options: LossOptions = {}) {
    this.options = options;
  }
  forward(x: Tensor, c: Tensor): Tensor {
    return logLoss(x, c, this.options);
  }
}
