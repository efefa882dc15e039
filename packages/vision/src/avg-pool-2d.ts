// Average pooling (LeCun et al., 1990): the mean of each window.
import { averagePool2d, type Pair, type Tensor, type WindowOptions } from '@brickwork/graph';

/** Where windows stand, and whether the padding's zeros count. */
export interface AvgPool2dOptions extends Omit<WindowOptions, 'dilation'> {
  /** Whether the padding's zeros count as values; true unless given, as in PyTorch. */
  readonly countIncludePad?: boolean;
}

/** `averagePool2d` as a brick: (N, C, H, W) to (N, C, H', W'). The stride is the kernel unless given. */
export class AvgPool2d {
  readonly kernel: Pair;
  readonly options: AvgPool2dOptions;
  constructor(kernel: Pair, options: AvgPool2dOptions = {}) {
    this.kernel = kernel;
    this.options = options;
  }
  forward(x: Tensor): Tensor {
    return averagePool2d(x, this.kernel, this.options);
  }
}
