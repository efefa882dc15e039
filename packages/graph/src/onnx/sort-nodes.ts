// Nodes of a file in an order in which they can run; the file's own where that is one.
import { OnnxError } from './error.ts';
import type { NodeProto } from './onnx_pb.ts';
import { captured } from './subgraph.ts';

/** @throws where a node reads what nothing computes, two compute the same, or some wait for each other. */
export function sorted(nodes: readonly NodeProto[], given: ReadonlyMap<string, unknown>): NodeProto[] {
  const producer = new Map<string, number>();
  nodes.forEach(({ output }, i) => {
    for (const name of output) {
      if (!name) continue;
      if (producer.has(name) || given.has(name)) throw new OnnxError(`defines ${JSON.stringify(name)} twice`);
      producer.set(name, i);
    }
  });
  // For every node, those that it waits for and those that wait for it.
  const before = nodes.map((node) => {
    const found = new Set<number>();
    for (const name of [...node.input, ...captured(node.attribute)]) {
      if (!name || given.has(name)) continue;
      const at = producer.get(name);
      if (at === undefined)
        throw new OnnxError(`node ${label(node)} reads ${JSON.stringify(name)}, which nothing computes`);
      found.add(at);
    }
    return found;
  });
  const after: number[][] = nodes.map(() => []);
  before.forEach((list, i) => list.forEach((j) => after[j]!.push(i)));
  const waiting = before.map((list) => list.size);
  const order: NodeProto[] = [];
  for (let i = 0; i < nodes.length; i++) {
    const ready = waiting[i] === 0 ? [i] : [];
    while (ready.length) {
      const k = ready.pop()!;
      waiting[k] = -1;
      order.push(nodes[k]!);
      // A later node is reached by the loop; an earlier one was passed while it waited.
      for (const j of after[k]!) if (--waiting[j]! === 0 && j < i) ready.push(j);
    }
  }
  if (order.length < nodes.length) throw new OnnxError(`has a cycle: ${cycle(nodes, before, waiting)}`);
  return order;
}

const label = (n: NodeProto): string => `${n.opType} ${JSON.stringify(n.name || (n.output.find(Boolean) ?? ''))}`;

function cycle(nodes: readonly NodeProto[], before: readonly Set<number>[], waiting: readonly number[]): string {
  // From any node that still waits, go back along what it waits for until a node comes again.
  const path: number[] = [];
  const seen = new Set<number>();
  let at = waiting.findIndex((n) => n > 0);
  while (!seen.has(at)) {
    seen.add(at);
    path.push(at);
    at = [...before[at]!].find((j) => waiting[j]! > 0)!;
  }
  const loop = path.slice(path.indexOf(at)).map((i) => label(nodes[i]!));
  const shown = loop.length > 6 ? [...loop.slice(0, 6), `… ${loop.length} in all`] : loop;
  return `${shown.join(', which reads ')}, which reads the first again`;
}
