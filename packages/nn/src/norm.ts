// Normalisation over the last axis as bricks: LayerNorm (Ba et al., 2016) and RMSNorm (Zhang and Sennrich, 2019).
import { layerNorm, rmsNorm, type Tensor } from '@brickwork/graph';
import { ones, zeros } from './initializers.ts';
import { parameter, type Parameter } from './parameter.ts';

/** Mean 0 and variance 1 over the last axis, then a learned weight and bias. */
export class LayerNorm {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  readonly epsilon: number;
  constructor(
    width: number,
    { epsilon = 1e-5, bias = true }: { readonly epsilon?: number; readonly bias?: boolean } = {},
  ) {
    this.weight = parameter([width], ones);
    this.bias = bias ? parameter([width], zeros) : null;
    this.epsilon = epsilon;
  }
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight, this.bias, { epsilon: this.epsilon });
  }
}

/** Root mean square 1 over the last axis, then a learned weight. */
export class RMSNorm {
  readonly weight: Parameter;
  readonly epsilon: number;
  constructor(width: number, { epsilon = 1e-6 }: { readonly epsilon?: number } = {}) {
    this.weight = parameter([width], ones);
    this.epsilon = epsilon;
  }
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight, { epsilon: this.epsilon });
  }
}
