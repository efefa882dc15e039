// The order in which nodes can run: every node after those that it reads.
import type { Node, Tensor } from './tensor.ts';

/** Every node that the outputs need, inputs before users; the same outputs give the same order. */
export function topologicalOrder(outputs: readonly Tensor[]): Node[] {
  const order: Node[] = [];
  const done = new Set<Node>();
  // Depth first without recursion: a graph may be thousands of nodes deep.
  const stack: { node: Node; next: number }[] = [];
  const enter = (x: Tensor): void => {
    if (x.node && !done.has(x.node)) {
      done.add(x.node);
      stack.push({ node: x.node, next: 0 });
    }
  };
  for (const output of outputs) {
    enter(output);
    while (stack.length) {
      const top = stack.at(-1)!;
      const input = top.node.inputs[top.next++];
      if (input) enter(input);
      else order.push(stack.pop()!.node);
    }
  }
  return order;
}
