// Sizes that a graph asks of many tensors, asked of one input: in a graph of small steps such nodes are a good part of the time.
import { shapeOf, slice } from './ops/shape.ts';
import { topologicalOrder } from './order.ts';
import { rewrite } from './rewrite.ts';
import type { Tensor } from './tensor.ts';

/**
 * The same outputs, where the size of an axis that has a name is read from an input with that name on an axis. A name stands for
 * one size in all of a graph.
 */
export function shareSizes(outputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const sizes = new Map<string, Tensor>();
  for (const { inputs } of topologicalOrder(Object.values(outputs)))
    for (const x of inputs)
      if (!x.node && !x.data && x.name)
        x.shape.forEach((d, axis) => {
          if (typeof d === 'string' && !sizes.has(d)) sizes.set(d, slice(shapeOf(x), 0, axis, axis + 1));
        });
  return rewrite(outputs, {
    node({ op, inputs: [shape, start, end] }) {
      if (op.name !== 'Slice' || shape!.node?.op.name !== 'Shape') return null;
      const [first, last] = [start, end].map((x) => Number(x?.data?.[0]));
      const size = last === first! + 1 ? shape!.node.inputs[0]!.shape[first!] : undefined;
      const found = typeof size === 'string' ? sizes.get(size) : undefined;
      return found ? [found] : null;
    },
  });
}
