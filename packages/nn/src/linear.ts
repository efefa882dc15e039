// Fully connected layers: y = x W' + b in PyTorch's weight layout, and y = x W + b in that of GPT-2's Conv1D.
import { GraphError, count, gemm, matmul, show, type Tensor } from '@brickwork/graph';
import { uniform, zeros, type Initializer } from './initializers.ts';
import { parameter, type Parameter } from './parameter.ts';

interface LinearOptions {
  /** Adds a bias; true unless given. */
  readonly bias?: boolean;
  readonly weight?: Initializer;
}

/** x (…, in) times w, plus b: one matrix product over all rows. */
export function affine(
  x: Tensor,
  w: Tensor,
  b: Tensor | null,
  { transB = false }: { readonly transB?: boolean } = {},
): Tensor {
  const [K, M] = transB ? [w.shape[1]!, w.shape[0]!] : [w.shape[0]!, w.shape[1]!];
  if (x.shape.at(-1) !== K)
    throw new GraphError(
      `linear: ${show(x.shape)} into ${show(w.shape)}: the last axis is ${x.shape.at(-1)}, needs ${K}`,
    );
  if (count(x.shape) === null) {
    const y = matmul(x, w, { transB }); // (…, M)
    return b ? y.add(b) : y;
  }
  const y = gemm(x.reshape([-1, K]), w, b, { transB }); // (N, M)
  return y.reshape([...x.shape.slice(0, -1), M]); // (…, M)
}

/** y = x W' + b with W (out, in), as torch.nn.Linear; begins uniform in ±1/sqrt(in). */
export class Linear {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  constructor(inputs: number, outputs: number, { bias = true, weight }: LinearOptions = {}) {
    const bound = 1 / Math.sqrt(inputs);
    this.weight = parameter([outputs, inputs], weight ?? uniform(-bound, bound));
    this.bias = bias ? parameter([outputs], weight ? zeros : uniform(-bound, bound)) : null;
  }
  forward(x: Tensor): Tensor {
    return affine(x, this.weight, this.bias, { transB: true });
  }
}

/** y = x W + b with W (in, out), as GPT-2 stores it. */
export class Conv1D {
  readonly weight: Parameter;
  readonly bias: Parameter;
  constructor(inputs: number, outputs: number, weight: Initializer) {
    this.weight = parameter([inputs, outputs], weight);
    this.bias = parameter([outputs], zeros);
  }
  forward(x: Tensor): Tensor {
    return affine(x, this.weight, this.bias);
  }
}
