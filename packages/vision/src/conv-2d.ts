// Convolution over images (LeCun et al., 1989): every place of the result is a weighted sum of a window of the input.
import { conv2d, type ConvOptions, type Pair, type Tensor } from '@brickwork/graph';
import { fans, kaiming, parameter, uniform, zeros, type Initializer, type Parameter } from '@brickwork/nn';

/** Where windows stand, how channels are split, and how the weight begins. */
export interface Conv2dOptions extends ConvOptions {
  /** Adds a bias to each channel; true unless given. */
  readonly bias?: boolean;
  /** PyTorch's unless given: uniform in ±1/√(inputs · kernel), as the bias is; the bias begins as zeros where given. */
  readonly weight?: Initializer;
}

/**
 * Images (N, inputs, H, W) to (N, outputs, H', W'), H' = floor((H + padding - dilation (kernel - 1) - 1) / stride) + 1;
 * see `conv2d`. The weight is (outputs, inputs / groups, kernel height, kernel width), as in torch.nn.Conv2d.
 */
export class Conv2d {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  readonly options: ConvOptions;
  constructor(inputs: number, outputs: number, kernel: Pair, { bias = true, weight, ...o }: Conv2dOptions = {}) {
    const groups = o.groups ?? 1;
    if (inputs % groups || outputs % groups)
      throw new Error(`Conv2d: ${inputs} channels into ${outputs} don't split into ${groups} groups`);
    const [h, w] = typeof kernel === 'number' ? [kernel, kernel] : kernel;
    const shape = [outputs, inputs / groups, h, w];
    const bound = 1 / Math.sqrt(fans(shape).in);
    this.options = o;
    this.weight = parameter(shape, weight ?? uniform(-bound, bound));
    this.bias = bias ? parameter([outputs], weight ? zeros : uniform(-bound, bound)) : null;
  }
  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, this.bias, this.options);
  }
}

/** How the weights of networks with ReLU begin (He et al., 2015): normal, by the number of outputs. */
export const heNormal: Initializer = kaiming({ distribution: 'normal', mode: 'out' });
