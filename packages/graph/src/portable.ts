// The same graph in standard ONNX operators alone, for engines that don't know ONNX Runtime's own.
import { matmul } from './ops/matmul.ts';
import { add, erf, mul, tanh } from './ops/elementwise.ts';
import { permute } from './ops/shape.ts';
import { topologicalOrder } from './order.ts';
import { rewrite } from './rewrite.ts';
import { apply, constant, type Op, type Tensor } from './tensor.ts';

interface MatMulAttributes {
  readonly transA?: boolean;
  readonly transB?: boolean;
  readonly alpha?: number;
}

// Standard since opset 20.
const Gelu: Op<object> = { name: 'Gelu', infer: ([x]) => [x!.shape] };

/**
 * Outputs whose graph is of standard operators: products with transposes, and GELUs, which are written with ONNX Runtime's
 * where they are trained. Products of few bits (`matmulNBits`, `gatherBlocks`) have no standard form and stay.
 *
 * @param opset the version that it will be written in
 * @param keep operators of the engine's own that stay; none unless given
 */
export function portable(
  outputs: Readonly<Record<string, Tensor>>,
  { opset = 20, keep = [] }: { readonly opset?: number; readonly keep?: readonly string[] } = {},
): Record<string, Tensor> {
  const turned = new Map<Tensor, Tensor>();
  const uses = new Map<Tensor, number>();
  for (const { inputs } of topologicalOrder(Object.values(outputs)))
    for (const x of inputs) if (x.data) uses.set(x, (uses.get(x) ?? 0) + 1);
  // A constant that is read but once is stored across.
  const across = (x: Tensor): Tensor => {
    let y = turned.get(x);
    if (!y) {
      const perm = x.shape.map((_, i) => i);
      perm.push(...perm.splice(-2).toReversed());
      y = x.data instanceof Float32Array && x.rank === 2 && uses.get(x) === 1 ? transposed(x) : permute(x, perm);
      turned.set(x, y);
    }
    return y;
  };
  return rewrite(outputs, {
    node({ op, attrs }, inputs) {
      if (op.domain !== 'com.microsoft' || keep.includes(op.name)) return null;
      const [x, y] = inputs as [Tensor, Tensor];
      if (op.name === 'Gelu')
        return [opset >= 20 ? apply(Gelu, [x], {}) : mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1))];
      if (op.name === 'FastGelu') {
        const inner = mul(mul(x, add(mul(mul(x, x), 0.044715), 1)), Math.sqrt(2 / Math.PI));
        return [mul(mul(x, 0.5), add(tanh(inner), 1))];
      }
      if (op.name !== 'FusedMatMul') return null;
      const { transA = false, transB = false, alpha = 1 } = attrs as MatMulAttributes;
      const product = matmul(transA ? across(x) : x, transB ? across(y) : y);
      return [alpha === 1 ? product : mul(product, alpha)];
    },
  });
}

function transposed(x: Tensor): Tensor {
  const [N, M] = x.shape as [number, number];
  const from = x.data as Float32Array;
  const to = new Float32Array(N * M);
  // In tiles, so that both sides stay in the cache.
  for (let n0 = 0; n0 < N; n0 += 32)
    for (let m0 = 0; m0 < M; m0 += 32)
      for (let n = n0; n < Math.min(N, n0 + 32); n++)
        for (let m = m0; m < Math.min(M, m0 + 32); m++) to[m * N + n] = from[n * M + m]!;
  return constant(to, [M, N]);
}
