// A sum and the norm of it as one node, and RMSNorm as one: ONNX Runtime's own operators, for graphs of small steps, where each
// node's overhead counts.
import { source } from './onnx/names.ts';
import { topologicalOrder } from './order.ts';
import { rewrite } from './rewrite.ts';
import { absent, applyAll, float, type Node, type Op, type Tensor } from './tensor.ts';

type NormOp = Op<{ epsilon: number }>;

const onnx: NormOp['onnx'] = ({ epsilon }) => ({ epsilon: float(epsilon) });
// x + skip and its norm: the norm first, the sum last.
const skipOp = (name: string): NormOp => ({
  name,
  domain: 'com.microsoft',
  infer: ([x]) => [x!.shape, [], [], x!.shape],
  onnx,
});
const skips = { layer: skipOp('SkipLayerNormalization'), rms: skipOp('SkipSimplifiedLayerNormalization') };
// The engine knows it as if it were a standard operator.
const SimplifiedLayerNormalization: NormOp = {
  name: 'SimplifiedLayerNormalization',
  infer: ([x]) => [x!.shape],
  onnx: ({ epsilon }) => ({ axis: -1, epsilon: float(epsilon) }),
};

interface Norm {
  readonly kind: keyof typeof skips;
  readonly x: Tensor;
  readonly gamma: Tensor;
  readonly beta: Tensor;
  readonly epsilon: number;
}

const made = (x: Tensor | undefined, op: string): Node | null => {
  const node = x && source(x).node;
  return node && node.op.name === op && !node.op.domain ? node : null;
};

// The norm whose last node this is.
function normOf(node: Node): Norm | null {
  const [x, w, b = absent] = node.inputs.map(source) as [Tensor, Tensor, Tensor?];
  if (node.op.name === 'LayerNormalization')
    return { kind: 'layer', x, gamma: w, beta: b, epsilon: (node.attrs as { epsilon: number }).epsilon };
  // x · (1 / √(mean(x²) + ε)) · w
  if (node.op.name !== 'Mul') return null;
  const scaled = made(x, 'Mul');
  if (!scaled || w.rank !== 1 || x.rank < 2) return null;
  const [value, inverse] = scaled.inputs.map(source) as [Tensor, Tensor];
  const shifted = made(made(made(inverse, 'Reciprocal')?.inputs[0], 'Sqrt')?.inputs[0], 'Add');
  const mean = made(shifted?.inputs[0], 'Mul');
  const square = made(made(mean?.inputs[0], 'ReduceSum')?.inputs[0], 'Mul');
  const share = Number(mean?.inputs[1]?.data?.[0]) * Number(value.shape.at(-1));
  const epsilon = shifted?.inputs[1]?.data;
  const isMean = square && Math.abs(share - 1) < 1e-5 && square.inputs.every((y) => source(y) === value);
  if (!isMean || epsilon?.length !== 1) return null;
  return { kind: 'rms', x: value, gamma: w, beta: absent, epsilon: Number(epsilon[0]) };
}

/**
 * The same outputs, where RMSNorms are one node, and sums of two tensors of one shape (B, T, C) whose norm is taken are one node
 * with it.
 */
export function fuseNorms(outputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const norms = new Map<Node, Norm>();
  // The norm that each sum becomes a part of; another norm of the same sum stays.
  const partOf = new Map<Node, Node>();
  for (const node of topologicalOrder(Object.values(outputs))) {
    const norm = normOf(node);
    if (!norm) continue;
    norms.set(node, norm);
    const { x, gamma, beta } = norm;
    const sum = made(x, 'Add');
    const isEarly = [gamma, beta].every((w) => !w.node);
    const isPlain = x.rank === 3 && sum?.inputs.every((y) => String(y.shape) === String(x.shape));
    if (sum && isEarly && isPlain && !partOf.has(sum)) partOf.set(sum, node);
  }
  const sums = new Map([...partOf].map(([sum, norm]) => [norm, sum]));
  const results = new Map<Node, Tensor>();
  return rewrite(outputs, {
    node(node, inputs) {
      const norm = norms.get(partOf.get(node) ?? node);
      if (!norm) return null;
      const { kind, gamma, beta, epsilon } = norm;
      if (partOf.has(node)) {
        const own = kind === 'layer' ? [gamma, beta] : [gamma];
        const [y, , , total] = applyAll(skips[kind], [...inputs, ...own], { epsilon });
        results.set(node, y!);
        return [total!];
      }
      const sum = sums.get(node);
      // Who needs the mean or the deviation of a norm goes without: they are for gradients.
      if (sum) return node.outputs.map(() => results.get(sum)!);
      if (kind === 'layer') return null;
      const [scaled, weight] = inputs as [Tensor, Tensor];
      const x = scaled.node!.inputs[0]!;
      return applyAll(SimplifiedLayerNormalization, [x, weight], { epsilon });
    },
  });
}
