// The ramp, a tanh made of three straight lines: the identity between two bounds, constant outside.
import { clip, GraphError, type Tensor } from '@brickwork/graph';

/** Where a ramp ends. */
export interface RampOptions {
  /** The least result; -1 unless given. */
  readonly low?: number;
  /** The greatest result; 1 unless given. */
  readonly high?: number;
}

/**
 * min(high, max(low, x)), by default min(1, max(-1, x)), which is also known as hard tanh. `{ low: 0, high: 1 }` is the
 * ramp from 0 to 1, `{ low: 0, high: 6 }` is ReLU6. The gradient is g between the bounds, 0 on and outside them.
 */
export function ramp(x: Tensor, { low = -1, high = 1 }: RampOptions = {}): Tensor {
  if (!(low < high))
    throw new GraphError(`ramp: from ${low} to ${high}; the lower bound needs to be less than the upper`);
  return clip(x, low, high);
}

/** {@link ramp} as a brick. Any shape. */
export class Ramp {
  readonly low: number;
  readonly high: number;
  constructor({ low = -1, high = 1 }: RampOptions = {}) {
    this.low = low;
    this.high = high;
  }
  forward(x: Tensor): Tensor {
    return ramp(x, { low: this.low, high: this.high });
  }
}
