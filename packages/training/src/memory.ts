// How much memory a training step will take, known before it runs: the engine's order of nodes is followed on paper, and
// every value counts from the node that makes it to the last that reads it.
import process from 'node:process';
import { count, topologicalOrder, type DType, type Node, type Tensor } from '@brickwork/graph';
import { collectGarbage } from './collect-garbage.ts';

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
 * The most bytes that values between a graph's inputs and outputs take at once, inputs not included.
 *
 * Sizes must be known: values whose sizes are names count as nothing.
 *
 * @param o.outputs whether the outputs count as well; true unless given
 */
export function activationBytes(
  outputs: readonly Tensor[],
  { outputs: countsOutputs = true }: { readonly outputs?: boolean } = {},
): number {
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
  const elsewhere = new Set(countsOutputs ? [] : outputs.map(owner));
  let now = 0;
  let most = 0;
  for (const { op, inputs, outputs: made } of order) {
    if (views.has(op.name)) continue;
    const own = [...new Set(inputs.map(owner))].filter((x) => x.node);
    const size = made.reduce((sum, x) => sum + (readers.has(x) && !elsewhere.has(x) ? sizeOf(x) : 0), 0);
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

/** What a run will hold at its peak, in bytes. */
export interface MemoryEstimate {
  /** What the process holds already: code, weights, data. */
  readonly resident: number;
  /** What is to be kept for each trained value: its gradient, sums of gradients, the optimizer's state. */
  readonly state: number;
  /** The most that lies between the passes at once. */
  readonly activations: number;
  /** The engine's own: compiled graphs, its copies of gradients, memory that it doesn't get back in one piece. */
  readonly engine: number;
  readonly total: number;
}

// Measured on x86-64 Linux (npm run bench -- memory): a session, a node of it, and how much more than on paper values take: the
// allocator keeps what is in too small pieces, most of all where blocks are computed twice. The engine's arena keeps more.
const session = 32 * 2 ** 20;
const perNode = 9_000;
const overhead = { plain: { once: 0.2, twice: 0.9 }, arena: { once: 1.8, twice: 4.9 } };
// Of pretraining: the machine's peak is measured, and an evaluation has an arena of its own.
const arenas = 105 * 2 ** 20;

/**
 * The peak of a run whose every step is this graph.
 *
 * @param graph of `traceStep`, of the largest batch
 * @param o.values how many values are trained
 * @param o.arrays how many arrays as long as those are kept besides the weights
 * @param o.recompute whether activations are computed twice
 * @param o.memory how the engine allocates: `plain` unless given, as in fine-tuning
 * @param o.resident bytes that the process holds now; what it does hold unless given
 */
export function estimateMemory(
  graph: Readonly<Record<string, Tensor>>,
  o: {
    readonly values: number;
    readonly arrays: number;
    readonly recompute?: boolean;
    readonly memory?: 'plain' | 'arena';
    readonly resident?: number;
  },
): MemoryEstimate {
  const { memory = 'plain', resident = residentBytes() } = o;
  const outputs = Object.values(graph);
  const state = o.arrays * 4 * o.values;
  // Gradients go where they are kept, and not where the engine puts its other values.
  const activations = activationBytes(outputs, { outputs: false });
  const more = overhead[memory][o.recompute ? 'twice' : 'once'] * activations;
  const engine = session + (memory === 'arena' ? arenas : 0) + perNode * topologicalOrder(outputs).length + more;
  return { resident, state, activations, engine, total: resident + state + activations + engine };
}

// What the process will still hold when training begins.
function residentBytes(): number {
  // What loading left behind is gone by then; the second time waits until the first's memory is given back.
  collectGarbage();
  collectGarbage();
  return process.memoryUsage.rss();
}

/** What {@link findBatchSize} may take. */
export interface FindBatchSizeOptions {
  /** No more examples than this; 1024 unless given. */
  readonly most?: number;
  /** Bytes for the whole process; nine tenths of what it holds and what the machine, or the container, has left unless given. */
  readonly budget?: number;
}

/**
 * The largest batch whose step fits in memory, and its estimate. Nothing is run: a process that takes more than there is
 * is killed, so trying would end it.
 *
 * @param estimate of the run with a batch of this many examples; it grows with the batch
 * @throws where not even one example fits.
 */
export function findBatchSize(
  estimate: (batchSize: number) => MemoryEstimate,
  { most = 1024, budget = 0.9 * (process.availableMemory() + process.memoryUsage.rss()) }: FindBatchSizeOptions = {},
): { readonly batchSize: number; readonly estimate: MemoryEstimate } {
  if (!(Number.isSafeInteger(most) && most > 0))
    throw new Error(`findBatchSize: most is ${most}; needs a whole number above 0`);
  let fits = { batchSize: 1, estimate: estimate(1) };
  if (fits.estimate.total > budget)
    throw new Error(
      `findBatchSize: a batch of one example takes ${megabytes(fits.estimate.total)}, and there are ${megabytes(budget)}; train fewer parameters (LoRA), recompute activations, or cut examples shorter`,
    );
  // Doubled until it no longer fits, then halved between.
  let low = 1;
  let high = most + 1;
  while (high - low > 1) {
    const batchSize = high > most && 2 * low <= most ? 2 * low : (low + high) >> 1;
    const next = estimate(batchSize);
    if (next.total > budget) high = batchSize;
    else {
      low = batchSize;
      fits = { batchSize, estimate: next };
    }
  }
  return fits;
}
const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;
