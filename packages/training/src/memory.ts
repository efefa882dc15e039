// How much memory a training step will take, known before it runs: the engine's order of nodes is followed on paper, and
// every value counts from the node that makes it to the last that reads it.
import { count, topologicalOrder, type DType, type Node, type Tensor } from '@brickwork/graph';

const bytesOf: Readonly<Record<DType, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float64: 8,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  bool: 1,
};
const sizeOf = (x: Tensor): number => (count(x.shape) ?? 0) * bytesOf[x.dtype];

// Operators whose output is their first input's memory, seen otherwise.
const views = new Set(['Alias', 'Identity', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten']);
// Operators that may write over an input that nothing else reads any more.
const inPlace = new Set(
  'Add Sub Mul Div Neg Exp Log Sqrt Reciprocal Abs Tanh Sigmoid Relu Erf Clip Not Pow Sign Softmax'.split(' '),
);

/**
 * The order in which ONNX Runtime runs a graph's nodes, before it fuses some: depth first from the nodes that nothing reads,
 * the last of them first, and at each node from its last input.
 */
function engineOrder(outputs: readonly Tensor[]): Node[] {
  const nodes = topologicalOrder(outputs);
  const place = new Map(nodes.map((node, i) => [node, i]));
  const read = new Set(nodes.flatMap((node) => node.inputs.flatMap((x) => (x.node ? [x.node] : []))));
  const stack = nodes.filter((node) => !read.has(node)).map((node) => ({ node, isLeft: false }));
  const seen = new Set<Node>();
  const order: Node[] = [];
  while (stack.length) {
    const { node, isLeft } = stack.pop()!;
    if (isLeft) {
      order.push(node);
      continue;
    }
    if (seen.has(node)) continue;
    seen.add(node);
    stack.push({ node, isLeft: true });
    const below = [...new Set(node.inputs.flatMap((x) => (x.node && !seen.has(x.node) ? [x.node] : [])))];
    for (const next of below.toSorted((a, b) => place.get(a)! - place.get(b)!))
      stack.push({ node: next, isLeft: false });
  }
  return order;
}

/**
 * The most bytes that values between a graph's inputs and outputs take at once, outputs included, inputs not.
 *
 * Sizes must be known: values whose sizes are names count as nothing.
 */
export function activationBytes(outputs: readonly Tensor[]): number {
  const order = engineOrder(outputs);
  // What a view sees.
  const owner = (x: Tensor): Tensor => {
    let own = x;
    while (own.node && views.has(own.node.op.name)) own = own.node.inputs[0]!;
    return own;
  };
  const readers = new Map<Tensor, number>();
  const add = (x: Tensor): void => {
    const own = owner(x);
    if (own.node) readers.set(own, (readers.get(own) ?? 0) + 1);
  };
  for (const { op, inputs } of order) if (!views.has(op.name)) for (const x of new Set(inputs.map(owner))) add(x);
  for (const x of outputs) add(x); // never freed
  let now = 0;
  let most = 0;
  for (const { op, inputs, outputs: made } of order) {
    if (views.has(op.name)) continue;
    const own = [...new Set(inputs.map(owner))].filter((x) => x.node);
    const size = made.reduce((sum, x) => sum + (readers.has(x) ? sizeOf(x) : 0), 0);
    const taken =
      inPlace.has(op.name) && own.some((x) => readers.get(x) === 1 && sizeOf(x) === size && size > 0) ? size : 0;
    now += size;
    most = Math.max(most, now - taken);
    for (const x of own) {
      const left = readers.get(x)! - 1;
      readers.set(x, left);
      if (left === 0) now -= sizeOf(x);
    }
  }
  return most;
}
