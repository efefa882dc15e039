// What a classifier knows of an image before it names it: the input of its last layer, found in its graph.
import type { Tensor } from '@brickwork/graph';
import { Parameter, parameters, type Network } from '@brickwork/nn';

const products = new Set(['Gemm', 'MatMul', 'FusedMatMul']);

/**
 * The last hidden layer of logits (B, classes): what their linear layer reads, (B, C).
 *
 * @throws where no linear layer is at the end.
 */
export function lastHidden(logits: Tensor): Tensor {
  let x = logits;
  while (x.node) {
    const [first, ...others] = x.node.inputs;
    if (products.has(x.node.op.name) && others.some((y) => y instanceof Parameter)) {
      if (first!.rank !== 2) break;
      return first!;
    }
    if (!first) break;
    x = first;
  }
  throw new Error('lastHidden: the logits come from no linear layer; name a layer instead');
}

/** Names of the parameters that belong together, a brick's, in the network's order. */
function bricksOf(network: Network): { readonly brick: string; readonly names: string[] }[] {
  const found: { brick: string; names: string[] }[] = [];
  for (const [name, p] of parameters(network)) {
    if (!p.trainable) continue;
    const brick = name.slice(0, name.lastIndexOf('.') + 1);
    const last = found.at(-1);
    if (last?.brick === brick) last.names.push(name);
    else found.push({ brick, names: [name] });
  }
  return found;
}

/**
 * How much of a trained network learns something new (Yosinski et al., 2014): `head`, its last layer on top of a fixed
 * extractor, for few images; `{ last: N }`, its last N layers with weights; `all`, for many images or ones that are unlike
 * those it was trained on.
 */
export type TransferSize = 'head' | 'all' | { readonly last: number };

/**
 * Which parameters a transfer trains, by name.
 *
 * @throws where the network has fewer layers.
 */
export function transferred(network: Network, size: TransferSize): (name: string) => boolean {
  if (size === 'all') return () => true;
  const last = size === 'head' ? 1 : size.last;
  if (!(Number.isInteger(last) && last > 0))
    throw new Error(`transfer: the last ${last} layers; needs head, all, or a whole number above 0`);
  const bricks = bricksOf(network);
  // A norm belongs to the layer below it.
  const layers: string[][] = [];
  for (const { names } of bricks) {
    const isMatrix = names.some((name) => parameters(network).get(name)!.shape.length > 1);
    if (isMatrix || !layers.length) layers.push([...names]);
    else layers.at(-1)!.push(...names);
  }
  if (last > layers.length) throw new Error(`transfer: the last ${last} layers; the network has ${layers.length}`);
  const chosen = new Set(layers.slice(-last).flat());
  return (name) => chosen.has(name);
}
