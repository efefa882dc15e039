// How much arithmetic a graph is: the multiplications and additions of its matrix products and convolutions.
import { GraphError, count, topologicalOrder, type Node, type Tensor } from '@brickwork/graph';

/**
 * Floating-point operations of one run of a graph that gives these outputs: two for every multiplication with addition
 * in MatMul, FusedMatMul, Gemm, Conv and ConvTranspose. All else (norms, activations, softmax, biases), some percent in a
 * Transformer, is left out, as is usual where a share of a machine's peak is told. Measured on the graph itself, the
 * backward pass and the head are exact, where the rule of thumb 6·N·tokens knows parameters only.
 *
 * @throws where such a product has a size that isn't known before it runs.
 */
export function operations(outputs: readonly Tensor[]): number {
  return topologicalOrder(outputs).reduce((sum, node) => sum + ofNode(node), 0);
}

function ofNode({ op, inputs, outputs, attrs }: Node): number {
  const [a, b] = inputs;
  const values = (x: Tensor): number => {
    const n = count(x.shape);
    if (n === null)
      throw new GraphError(`operations: ${op.name} has the shape (${x.shape.join(', ')}); needs known sizes`);
    return n;
  };
  switch (op.name) {
    case 'MatMul':
    case 'FusedMatMul':
    case 'Gemm': {
      const inner = a!.shape.at((attrs as { transA?: boolean }).transA ? -2 : -1);
      if (typeof inner !== 'number')
        throw new GraphError(`operations: ${op.name} sums over ${inner}; needs a known size`);
      return 2 * values(outputs[0]!) * inner;
    }
    // Every value of the larger image meets, for each channel of the other, the taps of one kernel.
    case 'Conv':
      return (2 * values(outputs[0]!) * values(b!)) / (b!.shape[0] as number);
    case 'ConvTranspose':
      return (2 * values(a!) * values(b!)) / (b!.shape[0] as number);
    default:
      return 0;
  }
}
