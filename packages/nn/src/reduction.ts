// How the losses of single examples become one number.
import { GraphError, mean, sum, type Tensor } from '@brickwork/graph';

/** The mean (unless told otherwise), the sum, or every loss for itself. */
export type Reduction = 'mean' | 'sum' | 'none';

/** An option that every loss takes. */
export interface LossOptions {
  readonly reduction?: Reduction;
}

/** Applies a reduction over all axes. */
export function reduceLoss(losses: Tensor, reduction: Reduction): Tensor {
  if (reduction === 'none') return losses;
  if (reduction === 'sum') return sum(losses);
  if (reduction === 'mean') return mean(losses);
  throw new GraphError(`reduction '${String(reduction)}' is not known; known are mean, sum and none`);
}
