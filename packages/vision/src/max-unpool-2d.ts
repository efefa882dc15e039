// What max pooling took, put back where it was taken from (Zeiler and Fergus, 2014): its switches remembered, zeros elsewhere.
import { maxUnpool2d, type Pair, type Tensor, type WindowOptions } from '@brickwork/graph';

/** {@link maxUnpool2d} as a brick, the counterpart of a `MaxPool2d` of the same window. */
export class MaxUnpool2d {
  readonly kernel: Pair;
  readonly options: WindowOptions;
  constructor(kernel: Pair, options: WindowOptions = {}) {
    this.kernel = kernel;
    this.options = options;
  }
  /**
   * @param x (N, C, H', W') @param indices of `MaxPool2d.forwardWithIndices`
   * @param size height and width of the image; the least that gives H' by W' unless given
   */
  forward(x: Tensor, indices: Tensor, size?: readonly [number, number]): Tensor {
    return maxUnpool2d(x, indices, this.kernel, { ...this.options, ...(size && { size }) });
  }
}
