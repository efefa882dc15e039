// A graph as boxes and arrows, which Mermaid and DOT draw: operators, gathered by the bricks whose weights they read.
import { showAttribute } from './onnx/attributes.ts';
import { attributesOf } from './onnx/model.ts';
import { Names, source } from './onnx/names.ts';
import { operator, typeOf } from './print.ts';
import { showValues } from './show-values.ts';
import type { Node, Tensor } from './tensor.ts';

/** How much a picture shows. */
export interface PictureOptions {
  /** Boxes at most; 150 unless given. A larger graph has bricks as boxes, and then only its first boxes. */
  readonly limit?: number;
  /**
   * How many parts of a brick's path get a box of their own: 2 makes one of all operators in `model.layers`, 3 one of
   * each layer. As many as `limit` has room for unless given; Infinity draws every operator.
   */
  readonly depth?: number;
}

/** One box: its lines of text, and the brick that a frame is drawn around. */
export interface Box {
  readonly id: string;
  readonly kind: 'input' | 'operator' | 'brick' | 'output' | 'more';
  readonly lines: readonly string[];
  readonly brick: string;
}
/** One arrow, labelled with the type of what goes along it. */
export interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly label: string;
}
export interface Picture {
  readonly boxes: readonly Box[];
  readonly arrows: readonly Arrow[];
}

/** Boxes and arrows of the graph that computes the named outputs. Weights and constants are lines of their boxes. */
export function picture(who: string, outputs: Readonly<Record<string, Tensor>>, o: PictureOptions = {}): Picture {
  const { limit = 150, depth } = o;
  if (!(limit >= 1)) throw new RangeError(`${who}: limit is ${limit}; needs a number of boxes, 1 or more`);
  if (depth !== undefined && !(depth >= 1)) throw new RangeError(`${who}: depth is ${depth}; needs 1 or more`);
  const names = new Names(who, outputs);
  const paths = brickPaths(names);
  const deepest = [...paths.values()].reduce((n, p) => Math.max(n, p.length), 0);
  const depths = depth === undefined ? [Infinity, ...Array.from({ length: deepest }, (_, i) => deepest - i)] : [depth];
  const fitting = depths.find((d) => boxesAt(names, paths, d) <= limit);
  return cut(draw(names, outputs, paths, fitting ?? depths.at(-1)!), limit);
}

const isWeight = (x: Tensor): boolean => !x.node && !x.data && (x.name?.includes('.') ?? false);

// The brick of a node is the one whose weight it reads; others go with what they read last, one level up.
function brickPaths(names: Names): Map<Node, readonly string[]> {
  const paths = new Map<Node, readonly string[]>();
  const position = new Map(names.nodes.map((n, i) => [n, i]));
  const reads = new Set<Node>();
  for (const node of names.nodes) {
    const inputs = node.inputs.map(source);
    const weight = inputs.find(isWeight);
    if (weight) {
      reads.add(node);
      paths.set(node, weight.name!.split('.').slice(0, -1));
      continue;
    }
    let last: Node | null = null;
    for (const { node: from } of inputs)
      if (from && paths.get(from)!.length && (!last || position.get(from)! > position.get(last)!)) last = from;
    const path = last ? paths.get(last)! : [];
    paths.set(node, last && reads.has(last) ? path.slice(0, -1) : path);
  }
  return paths;
}

// Which box a node is in: its own, or that of a brick.
const boxOf = (node: Node, path: readonly string[], depth: number): Node | string =>
  depth === Infinity || !path.length ? node : path.slice(0, depth).join('.');

const boxesAt = (names: Names, paths: ReadonlyMap<Node, readonly string[]>, depth: number): number =>
  new Set(names.nodes.map((n) => boxOf(n, paths.get(n)!, depth))).size;

function draw(
  names: Names,
  outputs: Readonly<Record<string, Tensor>>,
  paths: ReadonlyMap<Node, readonly string[]>,
  depth: number,
): Picture {
  const boxes: Box[] = [];
  const ids = new Map<Node | Tensor | string, string>();
  const box = (key: Node | Tensor | string, kind: Box['kind'], lines: readonly string[], brick = ''): void => {
    const id = `n${boxes.length}`;
    ids.set(key, id);
    boxes.push({ id, kind, lines, brick });
  };
  const counts = new Map<string, number>();
  for (const node of names.nodes) {
    const key = boxOf(node, paths.get(node)!, depth);
    if (typeof key === 'string') counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const x of names.inputs.values()) if (!isWeight(x)) box(x, 'input', [x.name!, typeOf(x)]);
  const arrows = new Map<string, Arrow>();
  const arrow = (x: Tensor, to: string): void => {
    const from = ids.get(x.node ? boxOf(x.node, paths.get(x.node)!, depth) : x);
    if (!from || from === to) return;
    const label = typeOf(x);
    arrows.set(`${from} ${to} ${label}`, { from, to, label });
  };
  for (const node of names.nodes) {
    const path = paths.get(node)!;
    const key = boxOf(node, path, depth);
    if (typeof key === 'string') {
      if (!ids.has(key))
        box(key, 'brick', [key, counts.get(key) === 1 ? '1 operator' : `${counts.get(key)} operators`]);
    } else box(key, 'operator', describe(node), path.join('.'));
  }
  for (const node of names.nodes)
    for (const x of node.inputs) arrow(source(x), ids.get(boxOf(node, paths.get(node)!, depth))!);
  for (const [key, x] of Object.entries(outputs)) {
    // An input may be an output of the same name.
    box(`output ${key}`, 'output', [key, typeOf(x)]);
    arrow(source(x), boxes.at(-1)!.id);
  }
  return { boxes, arrows: [...arrows.values()] };
}

function describe(node: Node): string[] {
  const attributes = attributesOf(node).map(showAttribute);
  const held = node.inputs
    .map(source)
    .flatMap((x) => (isWeight(x) ? `${x.name!.split('.').at(-1)}: ${typeOf(x)}` : x.data ? showValues(x, 4) : []));
  return [operator(node), ...attributes, ...held];
}

function cut({ boxes, arrows }: Picture, limit: number): Picture {
  const operators = boxes.filter((b) => b.kind === 'operator' || b.kind === 'brick');
  if (operators.length <= limit) return { boxes, arrows };
  const gone = new Set(operators.slice(limit).map((b) => b.id));
  const more: Box = { id: 'more', kind: 'more', lines: [`… ${gone.size} more`], brick: '' };
  const found = new Map<string, Arrow>();
  for (const a of arrows) {
    const from = gone.has(a.from) ? more.id : a.from;
    const to = gone.has(a.to) ? more.id : a.to;
    // One arrow to and from what isn't drawn says enough.
    const label = from === more.id || to === more.id ? '' : a.label;
    if (from !== to) found.set(`${from} ${to} ${label}`, { from, to, label });
  }
  return { boxes: [...boxes.filter((b) => !gone.has(b.id)), more], arrows: [...found.values()] };
}

/** The boxes by the brick that frames them, unframed ones under `''`. */
export function byBrick(boxes: readonly Box[]): Map<string, Box[]> {
  const found = new Map<string, Box[]>();
  for (const b of boxes) {
    const inside = found.get(b.brick);
    if (inside) inside.push(b);
    else found.set(b.brick, [b]);
  }
  return found;
}
