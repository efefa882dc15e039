// The hyperbolic tangent: any number to one between -1 and 1.
import { tanh, type Tensor } from '@brickwork/graph';

export { tanh } from '@brickwork/graph';

/** y = tanh(x);  dx = g (1 - y²). Any shape. */
export class Tanh {
  forward(x: Tensor): Tensor {
    return tanh(x);
  }
}
