// Where a step first gives something that is no number: every value of its graph is looked at, in the order of the passes, and
// told by the brick that it belongs to.
import { concat, less, scalar, sub, topologicalOrder, where, type Node, type Tensor } from '@brickwork/graph';
import { compile, type CompileOptions, type HostTensor } from '@brickwork/runtime';

/** The first values of a step that are not finite. */
export interface NotFinite {
  /** `weights` and `inputs` are what the step was given, and the passes what it made of it. */
  readonly pass: 'weights' | 'inputs' | 'forward' | 'backward';
  /** The brick, as its parameters are named: `transformer.h.3.attn`; of weights and inputs, the name. */
  readonly where: string;
  /** The operator in ONNX's name; null for weights and inputs. */
  readonly operator: string | null;
  readonly shape: readonly (number | string)[];
}

/**
 * Runs a step's graph once more and finds the first value that holds NaN or +Infinity; null where there is none. (Minus
 * infinity stands for what attention is not to see.)
 *
 * @param graph the step's outputs, `loss` first
 * @param feeds values of its inputs, weights among them
 * @param weights the names of these
 */
export async function findNotFinite(
  graph: Readonly<Record<string, Tensor>>,
  feeds: ReadonlyMap<string, HostTensor>,
  { weights, ...options }: { readonly weights: ReadonlySet<string>; readonly compile?: CompileOptions },
): Promise<NotFinite | null> {
  for (const [name, { data, shape, dtype }] of feeds)
    if (dtype === 'float32' && !(data as Float32Array).every(Number.isFinite))
      return { pass: weights.has(name) ? 'weights' : 'inputs', where: name, operator: null, shape };
  const outputs = Object.values(graph);
  const forward = new Set(topologicalOrder(outputs.slice(0, 1)));
  // The forward pass first, then the backward one, each in its order.
  const order = topologicalOrder(outputs);
  const nodes = [...order.filter((n) => forward.has(n)), ...order.filter((n) => !forward.has(n))];
  const values = nodes.flatMap((node) =>
    node.op.name === 'Alias' ? [] : node.outputs.filter(({ dtype }) => dtype === 'float32').map((y) => ({ node, y })),
  );
  if (!values.length) return null;
  // y - y is 0 where y is finite, and otherwise NaN.
  const marks = values.map(({ y }) => {
    const seen = where(less(y, scalar(-3.4e38)), 0, y);
    return sub(seen, seen).sum().reshape([1]);
  });
  const program = await compile({ marks: concat(marks, 0) }, { memory: 'plain', ...options.compile });
  try {
    const needed = new Map(program.inputs.map(({ name }) => [name, feeds.get(name)!]));
    const { marks: found } = await program.run(needed);
    const first = (found!.data as Float32Array).findIndex((mark) => !Number.isFinite(mark));
    if (first < 0) return null;
    const { node, y } = values[first]!;
    const brick = bricks(order, weights).get(node) ?? 'the network';
    return { pass: forward.has(node) ? 'forward' : 'backward', where: brick, operator: node.op.name, shape: y.shape };
  } finally {
    await program.dispose();
  }
}

// Each node's brick: that of a parameter which it reads, or else of the last of the nodes that it reads.
function bricks(order: readonly Node[], weights: ReadonlySet<string>): Map<Node, string> {
  const found = new Map<Node, { readonly name: string; readonly place: number }>();
  order.forEach((node, place) => {
    const parameter = node.inputs.find(({ name }) => name !== null && weights.has(name))?.name;
    const own = parameter ? { name: parameter.split('.').slice(0, -1).join('.') || parameter, place } : null;
    const before = node.inputs.flatMap((x) => (x.node ? [found.get(x.node)] : [])).filter((one) => one !== undefined);
    const last = own ?? before.toSorted((a, b) => b.place - a.place)[0];
    if (last) found.set(node, { name: last.name, place });
  });
  return new Map([...found].map(([node, { name }]) => [node, name]));
}

/** What was found, as a part of a sentence. */
export function notFiniteText(found: NotFinite): string {
  const { pass, where, operator, shape } = found;
  if (pass === 'weights') return `the weights of ${where} are no longer finite`;
  if (pass === 'inputs') return `the batch’s ${where} is not finite`;
  return `the first value that is not finite is in ${where} (${operator}, shape ${shape.join(' x ') || 'of one number'}) of the ${pass} pass`;
}
