// Fully connected layers: y = x W' + b in PyTorch's weight layout, and y = x W + b in that of GPT-2's Conv1D.
import { GraphError, count, gemm, matmul, show, type Tensor } from '@brickwork/graph';
import { uniform, zeros, type Initializer } from './initializers.ts';
import type { Context } from './context.ts';
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

/** A fully connected layer, in either weight layout. */
export interface LinearLayer {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  /** Whether the weight is (out, in), as in PyTorch, or (in, out). */
  readonly outputsFirst: boolean;
  /** Changes what the layer computes without changing its weights (LoRA and its like); none unless set. */
  adapter: LinearAdapter | null;
  /** What the layer computes without an adapter. */
  plain(x: Tensor): Tensor;
  forward(x: Tensor, ctx?: Context): Tensor;
}

/** What stands in a layer's place and may use it. */
export interface LinearAdapter {
  forward(x: Tensor, layer: LinearLayer, ctx?: Context): Tensor;
}

/** y = x W' + b with W (out, in), as torch.nn.Linear; begins uniform in ±1/sqrt(in). */
export class Linear implements LinearLayer {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  readonly outputsFirst = true;
  adapter: LinearAdapter | null = null;
  constructor(inputs: number, outputs: number, { bias = true, weight }: LinearOptions = {}) {
    const bound = 1 / Math.sqrt(inputs);
    this.weight = parameter([outputs, inputs], weight ?? uniform(-bound, bound));
    this.bias = bias ? parameter([outputs], weight ? zeros : uniform(-bound, bound)) : null;
  }
  plain(x: Tensor): Tensor {
    return affine(x, this.weight, this.bias, { transB: true });
  }
  forward(x: Tensor, ctx?: Context): Tensor {
    return this.adapter?.forward(x, this, ctx) ?? this.plain(x);
  }
}

/** y = x W + b with W (in, out), as GPT-2 stores it. */
export class Conv1D implements LinearLayer {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly outputsFirst = false;
  adapter: LinearAdapter | null = null;
  constructor(inputs: number, outputs: number, weight: Initializer) {
    this.weight = parameter([inputs, outputs], weight);
    this.bias = parameter([outputs], zeros);
  }
  plain(x: Tensor): Tensor {
    return affine(x, this.weight, this.bias);
  }
  forward(x: Tensor, ctx?: Context): Tensor {
    return this.adapter?.forward(x, this, ctx) ?? this.plain(x);
  }
}
