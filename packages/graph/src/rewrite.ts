// The same graph with other parts in it: inputs become constants, or a node gives way to others that compute the same.
import { topologicalOrder } from './order.ts';
import { source } from './onnx/names.ts';
import { applyAll, type Node, type Tensor } from './tensor.ts';

/** What takes the place of what. */
export interface RewriteRules {
  /** For an input or a constant: what stands in its place; null keeps it. */
  readonly leaf?: (x: Tensor) => Tensor | null;
  /** For a node, given its inputs as they are now: the outputs that take its own outputs' place; null keeps the node. */
  readonly node?: (node: Node, inputs: readonly Tensor[]) => readonly Tensor[] | null;
}

/**
 * The outputs' graph, built anew by the rules. What no rule touches is the same tensor as before. Gradients that stood in the
 * place of those of parts are gone: this is for graphs that are run, not for those that are trained.
 *
 * @throws where an operator refuses its new inputs.
 */
export function rewrite(
  outputs: Readonly<Record<string, Tensor>>,
  { leaf = () => null, node: change = () => null }: RewriteRules,
): Record<string, Tensor> {
  const now = new Map<Tensor, Tensor>();
  const of = (tensor: Tensor): Tensor => {
    const x = source(tensor);
    let y = now.get(x);
    if (!y) {
      y = x.node ? x : (leaf(x) ?? x);
      now.set(x, y);
    }
    return y;
  };
  const results = Object.entries(outputs).map(([name, x]) => [name, source(x)] as const);
  for (const node of topologicalOrder(results.map(([, x]) => x))) {
    if (node.outputs.every((y) => source(y) !== y)) continue; // stands for another
    const inputs = node.inputs.map(of);
    const same = inputs.every((x, i) => x === node.inputs[i]);
    const made = change(node, inputs) ?? (same ? node.outputs : applyAll(node.op as never, inputs, node.attrs));
    node.outputs.forEach((y, i) => now.set(y, made[i]!));
  }
  return Object.fromEntries(results.map(([name, x]) => [name, of(x)]));
}
