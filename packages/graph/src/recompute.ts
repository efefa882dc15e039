// Activation checkpointing (Chen et al., 2016, "Training deep nets with sublinear memory cost"): the backward pass computes
// the inner values of a block once more from the block's input, so that between the passes only the inputs are kept.
import { gradients } from './gradients.ts';
import { topologicalOrder } from './order.ts';
import { cast } from './ops/cast.ts';
import { equal, where } from './ops/elementwise.ts';
import { reshape, slice } from './ops/shape.ts';
import { applyAll, count, GraphError, show, type Node, type Tensor } from './tensor.ts';

/** Where a graph is cut, and what needs no keeping. */
export interface RecomputeOptions {
  /** What is kept: the values between the blocks, such as the hidden states of every layer. The order doesn't matter. */
  readonly checkpoints: readonly Tensor[];
  /** Graph inputs that are there in any case: the weights. */
  readonly weights: Iterable<Tensor>;
}

/**
 * dLoss/dw for every w, equal to those of {@link gradients}, with the backward pass reading copies of the forward pass's
 * inner values that are computed when it comes to their block. What is computed once more waits for the gradient that
 * arrives from above, so that an engine can neither compute it early nor merge it with the first time.
 *
 * @throws as {@link gradients} does.
 */
export function recomputedGradients(loss: Tensor, wrt: readonly Tensor[], o: RecomputeOptions): Tensor[] {
  const forward = topologicalOrder([loss]);
  const place = new Map(forward.map((node, i) => [node, i]));
  const cuts = [...new Set(o.checkpoints)]
    .filter((x) => x.node && place.has(x.node))
    .toSorted((a, b) => place.get(a.node!)! - place.get(b.node!)!);
  const slopes = gradients(loss, [...wrt, ...cuts]);
  if (!cuts.length) return slopes;

  const blockOf = new Map<Node, number>();
  cuts.forEach((cut, block) => {
    for (const node of topologicalOrder([cut])) if (!blockOf.has(node)) blockOf.set(node, block);
  });
  // What one block gives to another, or to what follows the blocks, is kept as well.
  const kept = new Set<Tensor>(cuts);
  for (const node of forward)
    for (const x of node.inputs) if (x.node && blockOf.get(x.node) !== blockOf.get(node)) kept.add(x);

  const rewriting = new Rewriting({ place, blockOf, kept, weights: new Set(o.weights) });
  const above = slopes.slice(wrt.length);
  // From the last block to the first: a block waits for the gradient of its output.
  for (let block = cuts.length - 1; block >= 0; block--) rewriting.arrive(block, above[block]!);
  return slopes.slice(0, wrt.length).map((g) => rewriting.of(g));
}

interface Plan {
  /** The forward pass's nodes. */
  readonly place: ReadonlyMap<Node, number>;
  readonly blockOf: ReadonlyMap<Node, number>;
  readonly kept: ReadonlySet<Tensor>;
  readonly weights: ReadonlySet<Tensor>;
}

class Rewriting {
  readonly #plan: Plan;
  readonly #backward = new Map<Node, readonly Tensor[]>();
  readonly #again = new Map<Node, readonly Tensor[]>();
  readonly #waiting = new Map<number, Map<Tensor, Tensor>>();
  readonly #signals = new Map<number, Tensor>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** The gradient of a block's output: what comes once more of the block comes after it. */
  arrive(block: number, gradient: Tensor): void {
    let first = this.of(gradient);
    // A gradient that is no value of the backward pass arrives at no time: nothing below it is differentiated.
    if (!first.node || this.#plan.place.has(first.node)) return;
    if (count(first.shape) === null)
      throw new GraphError(`recompute: the gradient of block ${block} is ${show(first.shape)}; needs known sizes`);
    first = reshape(slice(reshape(first, [-1]), 0, 0, 1), []);
    // True unless it is not a number; either way the same value is taken.
    this.#signals.set(block, equal(first, first));
  }

  /** A value of the backward pass, reading what is computed once more. */
  of(x: Tensor): Tensor {
    if (!x.node || this.#plan.place.has(x.node)) return this.#read(x);
    for (const node of topologicalOrder([x])) {
      if (this.#plan.place.has(node) || this.#backward.has(node)) continue;
      const inputs = node.inputs.map((y) => this.#read(y));
      const isSame = inputs.every((y, i) => y === node.inputs[i]);
      this.#backward.set(node, isSame ? node.outputs : applyAll(node.op, inputs, node.attrs as never));
    }
    return this.#backward.get(x.node)![x.index]!;
  }

  // What a node of the backward pass reads in place of `x`.
  #read(x: Tensor): Tensor {
    if (!x.node) return x;
    const own = this.#backward.get(x.node);
    if (own) return own[x.index]!;
    const block = this.#plan.blockOf.get(x.node);
    if (block === undefined || this.#plan.kept.has(x) || !this.#signals.has(block)) return x;
    return this.#recompute(x.node, block)[x.index]!;
  }

  #recompute(wanted: Node, block: number): readonly Tensor[] {
    const { blockOf, kept } = this.#plan;
    const stack = [wanted];
    while (stack.length) {
      const node = stack.at(-1)!;
      if (this.#again.has(node)) {
        stack.pop();
        continue;
      }
      const isInner = (x: Tensor): boolean => x.node !== null && blockOf.get(x.node) === block && !kept.has(x);
      const missing = node.inputs.filter((x) => isInner(x) && !this.#again.has(x.node!));
      if (missing.length) {
        for (const x of missing) stack.push(x.node!);
        continue;
      }
      stack.pop();
      const inputs = node.inputs.map((x) => (isInner(x) ? this.#again.get(x.node!)![x.index]! : this.#wait(x, block)));
      this.#again.set(node, applyAll(node.op, inputs, node.attrs as never));
    }
    return this.#again.get(wanted)!;
  }

  // What a block takes from elsewhere, there once the gradient has arrived.
  #wait(x: Tensor, block: number): Tensor {
    if (x.data || x.name === '' || this.#plan.weights.has(x)) return x;
    const known = this.#waiting.get(block) ?? new Map<Tensor, Tensor>();
    this.#waiting.set(block, known);
    let waiting = known.get(x);
    if (!waiting) known.set(x, (waiting = after(this.#signals.get(block)!, x)));
    return waiting;
  }
}

// The engine chooses between values of these types only.
const chosen = new Set(['float32', 'float64', 'int32', 'int64', 'uint8']);
const after = (signal: Tensor, x: Tensor): Tensor =>
  x.dtype === 'bool'
    ? cast(after(signal, cast(x, 'uint8')), 'bool')
    : chosen.has(x.dtype)
      ? where(signal, x, x)
      : cast(
          after(signal, cast(x, x.dtype.startsWith('float') || x.dtype === 'bfloat16' ? 'float32' : 'int64')),
          x.dtype,
        );
