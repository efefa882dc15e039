// The leaky rectifier (Maas et al., 2013), whose gradient never dies.
import { leakyRelu, type Tensor } from '@brickwork/graph';

export { leakyRelu } from '@brickwork/graph';

/** y = x above 0, slope · x below;  dx = g or slope · g. The slope is 0.01 unless given. Any shape. */
export class LeakyReLU {
  readonly slope: number;
  constructor(slope = 0.01) {
    this.slope = slope;
  }
  forward(x: Tensor): Tensor {
    return leakyRelu(x, this.slope);
  }
}
