// Softmax (Boltzmann, 1868; Bridle, 1990): scores to probabilities that add up to 1.
import { softmax, type Tensor } from '@brickwork/graph';

export { logSoftmax, softmax } from '@brickwork/graph';

/** y = e^x / Σ e^x along an axis, the last unless given;  dx = y (g - Σ g y). The shape stays. */
export class Softmax {
  readonly axis: number;
  constructor(axis = -1) {
    this.axis = axis;
  }
  forward(x: Tensor): Tensor {
    return softmax(x, this.axis);
  }
}
