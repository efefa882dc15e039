// Layer normalisation (Ba et al., 2016) and its form without the mean, RMSNorm (Zhang and Sennrich, 2019).
import { GraphError, applyAll, float, show, type Op, type Shape, type Tensor } from '../tensor.ts';
import { add, mul, reciprocal, sqrt, sub } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { override } from './override.ts';
import { mean, sumTo } from './reduce.ts';
import { reshape } from './shape.ts';

// y = n w + b, n = (x - mean) inv;  dx = inv (g w - mean(g w) - n mean(g w n)).
// The two means are products with the column w / C, and mean and inv are kept from the forward pass.
const LayerNormalization: Op<{ epsilon: number }> = {
  name: 'LayerNormalization',
  infer: ([x, w, b]) => {
    const row: Shape = [...x!.shape.slice(0, -1), 1];
    const C = x!.shape.at(-1);
    if (w!.rank !== 1 || w!.shape[0] !== C)
      throw new GraphError(`layerNorm: ${show(x!.shape)} with weight ${show(w!.shape)}: needs (${C})`);
    if (b && (b.rank !== 1 || b.shape[0] !== C))
      throw new GraphError(`layerNorm: ${show(x!.shape)} with bias ${show(b.shape)}: needs (${C})`);
    return [x!.shape, row, row];
  },
  onnx: ({ epsilon }) => ({ axis: -1, epsilon: float(epsilon) }),
  grad: ([g], [x, w, b], [, center, inv]) => {
    const C = x!.shape.at(-1) as number;
    const n = mul(sub(x!, center!), inv!);
    const gn = mul(g!, n);
    const column = reshape(mul(w!, 1 / C), [C, 1]);
    const dx = mul(sub(sub(mul(g!, w!), matmul(g!, column)), mul(n, matmul(gn, column))), inv!);
    return [dx, sumTo(gn, w!), ...(b ? [sumTo(g!, b)] : [])];
  },
};
/** (x - mean) / sqrt(variance + epsilon) * weight + bias over the last axis. */
export function layerNorm(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  { epsilon = 1e-5 }: { readonly epsilon?: number } = {},
): Tensor {
  return applyAll(LayerNormalization, bias ? [x, weight, bias] : [x, weight], { epsilon })[0]!;
}

/** x / sqrt(mean(x²) + epsilon) * weight over the last axis. */
export function rmsNorm(x: Tensor, weight: Tensor, { epsilon = 1e-6 }: { readonly epsilon?: number } = {}): Tensor {
  const C = x.shape.at(-1);
  if (weight.rank !== 1 || weight.shape[0] !== C)
    throw new GraphError(`rmsNorm: ${show(x.shape)} with weight ${show(weight.shape)}: needs (${C})`);
  const inv = reciprocal(sqrt(add(mean(mul(x, x), [-1], true), epsilon)));
  const n = mul(x, inv);
  return override(mul(n, weight), [x, weight], (g) => {
    const gn = mul(g, n);
    const column = reshape(mul(weight, 1 / (C as number)), [C as number, 1]);
    return [mul(sub(mul(g, weight), mul(n, matmul(gn, column))), inv), sumTo(gn, weight)];
  });
}
