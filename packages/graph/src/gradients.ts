// Reverse-mode differentiation: walks the graph from the loss back and asks each operator for its part of the chain rule.
import { topologicalOrder } from './order.ts';
import { GraphError, constant, count, show, type Op, type Tensor } from './tensor.ts';
import { add } from './ops/elementwise.ts';
import { zerosLike } from './ops/fill.ts';
import { addScattered } from './ops/gather.ts';

/** What to hand back through an operator in place of its gradient. */
export type GradientRule = NonNullable<Op<never>['grad']>;

/** How gradients are taken. */
export interface GradientOptions {
  /**
   * Rules in place of gradients, by the operator's ONNX name: `{ Relu: ([g]) => [relu(g)] }` is how a deconvnet looks
   * through a network. What comes out is then no gradient of the loss.
   */
  readonly rules?: Readonly<Record<string, GradientRule>>;
}

/**
 * dLoss/dw for every w, as new tensors of the same graph. Only what leads to a `w` is differentiated, and a loss that
 * doesn't depend on some `w` gives it zeros.
 *
 * @throws where the loss isn't one number, or an operator on the way has no gradient.
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[], { rules = {} }: GradientOptions = {}): Tensor[] {
  if (count(loss.shape) !== 1)
    throw new GraphError(`gradients: the loss is ${show(loss.shape)}; needs one number: take its sum or mean`);
  const order = topologicalOrder([loss]);
  const needs = new Set<Tensor>(wrt);
  for (const node of order) if (node.inputs.some((x) => needs.has(x))) for (const y of node.outputs) needs.add(y);
  const grads = new Map<Tensor, Tensor>([[loss, constant(Float32Array.of(1), loss.shape as number[])]]);
  for (const node of order.toReversed()) {
    const gs = node.outputs.map((y) => grads.get(y) ?? null);
    if (gs.every((g) => !g) || !node.inputs.some((x) => needs.has(x))) continue;
    const { op } = node;
    const rule = Object.hasOwn(rules, op.name) ? rules[op.name]! : op.grad;
    if (!rule) throw new GraphError(`gradients: ${op.name} has no gradient`);
    rule.call(op, gs, node.inputs, node.outputs, node.attrs as never).forEach((d, i) => {
      const x = node.inputs[i]!;
      if (!d || !needs.has(x)) return;
      const before = grads.get(x);
      grads.set(x, before ? (addScattered(before, d) ?? add(before, d)) : d);
    });
  }
  return wrt.map((w) => grads.get(w) ?? zerosLike(w));
}
