// Transposed convolution (Zeiler et al., 2010): what convolution does to gradients, as a layer that makes images larger.
import { convTranspose2d, type ConvOptions, type Pair, type Tensor } from '@brickwork/graph';
import { parameter, uniform, zeros, type Initializer, type Parameter } from '@brickwork/nn';

/** Where windows stand, how channels are split, and how the weight begins. */
export interface ConvTranspose2dOptions extends ConvOptions {
  /** Rows and columns added at the bottom and right; less than the stride; 0 unless given. */
  readonly outputPadding?: Pair;
  /** Adds a bias to each channel; true unless given. */
  readonly bias?: boolean;
  /** PyTorch's unless given: uniform in ±1/√(outputs / groups · kernel), as the bias is; the bias begins as zeros where given. */
  readonly weight?: Initializer;
}

/**
 * Images (N, inputs, H, W) to (N, outputs, H', W'), H' = stride (H - 1) + dilation (kernel - 1) + 1 - padding +
 * outputPadding; see `convTranspose2d`. The weight is (inputs, outputs / groups, kernel height, kernel width), as in
 * torch.nn.ConvTranspose2d.
 */
export class ConvTranspose2d {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  readonly options: ConvOptions & { readonly outputPadding?: Pair };
  constructor(
    inputs: number,
    outputs: number,
    kernel: Pair,
    { bias = true, weight, ...o }: ConvTranspose2dOptions = {},
  ) {
    const groups = o.groups ?? 1;
    if (inputs % groups || outputs % groups)
      throw new Error(`ConvTranspose2d: ${inputs} channels into ${outputs} don't split into ${groups} groups`);
    const [h, w] = typeof kernel === 'number' ? [kernel, kernel] : kernel;
    const bound = 1 / Math.sqrt((outputs / groups) * h * w);
    this.options = o;
    this.weight = parameter([inputs, outputs / groups, h, w], weight ?? uniform(-bound, bound));
    this.bias = bias ? parameter([outputs], weight ? zeros : uniform(-bound, bound)) : null;
  }
  forward(x: Tensor): Tensor {
    return convTranspose2d(x, this.weight, this.bias, this.options);
  }
}
