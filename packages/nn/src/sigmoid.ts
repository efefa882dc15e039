// The logistic function (Verhulst, 1838): any number to one between 0 and 1.
import { sigmoid, type Tensor } from '@brickwork/graph';

export { sigmoid } from '@brickwork/graph';

/** y = 1 / (1 + e^-x);  dx = g y (1 - y). Any shape. */
export class Sigmoid {
  forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}
