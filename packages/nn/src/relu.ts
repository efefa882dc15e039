// The rectified linear unit (Fukushima, 1969; Nair and Hinton, 2010).
import { relu, type Tensor } from '@brickwork/graph';

export { relu } from '@brickwork/graph';

/** y = max(0, x);  dx = g where x > 0, else 0 (at 0 too). Any shape. */
export class ReLU {
  forward(x: Tensor): Tensor {
    return relu(x);
  }
}
