// Max pooling (Weng et al., 1992; Jarrett et al., 2009): the largest value of each window.
import { maxPool2d, maxPool2dWithIndices, type Pair, type Tensor, type WindowOptions } from '@brickwork/graph';

/** {@link maxPool2d} as a brick: (N, C, H, W) to (N, C, H', W'). The stride is the kernel unless given. */
export class MaxPool2d {
  readonly kernel: Pair;
  readonly options: WindowOptions;
  constructor(kernel: Pair, options: WindowOptions = {}) {
    this.kernel = kernel;
    this.options = options;
  }
  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernel, this.options);
  }
  /** The same, and where in its (H, W) plane each value stood, row by row, as `return_indices` in PyTorch. */
  forwardWithIndices(x: Tensor): { readonly values: Tensor; readonly indices: Tensor } {
    return maxPool2dWithIndices(x, this.kernel, this.options);
  }
}
