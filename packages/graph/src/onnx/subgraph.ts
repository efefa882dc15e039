// Graphs inside attributes (the branches of If, the bodies of Loop and Scan), which may read values from outside.
import type { AttributeProto, GraphProto } from './onnx_pb.ts';

const graphsOf = (a: AttributeProto): readonly GraphProto[] => (a.g ? [a.g, ...a.graphs] : a.graphs);

function defined(graph: GraphProto): Set<string> {
  const names = new Set<string>();
  for (const { name } of [...graph.input, ...graph.initializer]) names.add(name);
  for (const { values } of graph.sparseInitializer) names.add(values?.name ?? '');
  for (const { output } of graph.node) for (const name of output) names.add(name);
  names.delete('');
  return names;
}

/** Names that the graphs in a node's attributes read from outside, in order of first use. */
export function captured(attributes: readonly AttributeProto[]): string[] {
  const found = new Set<string>();
  for (const graph of attributes.flatMap(graphsOf)) {
    const own = defined(graph);
    const reads = graph.node.flatMap((n) => [...n.input, ...captured(n.attribute)]);
    for (const name of [...reads, ...graph.output.map((o) => o.name)]) if (name && !own.has(name)) found.add(name);
  }
  return [...found];
}

/**
 * The attributes with every name in their graphs replaced: values from outside by what `outer` calls them, values
 * defined inside by names that `fresh` makes, so that they hide nothing.
 */
export function renamed(
  attributes: readonly AttributeProto[],
  outer: (name: string) => string,
  fresh: (name: string) => string,
): AttributeProto[] {
  return attributes.map((a) => {
    if (!graphsOf(a).length) return a;
    const graphs = a.graphs.map((g) => renamedGraph(g, outer, fresh));
    return { ...a, graphs, ...(a.g ? { g: renamedGraph(a.g, outer, fresh) } : {}) };
  });
}

function renamedGraph(graph: GraphProto, outer: (name: string) => string, fresh: (name: string) => string): GraphProto {
  const own = new Map<string, string>([['', '']]);
  for (const name of defined(graph)) own.set(name, fresh(name));
  const to = (name: string): string => own.get(name) ?? outer(name);
  const named = <T extends { name: string }>(x: T): T => ({ ...x, name: to(x.name) });
  return {
    ...graph,
    input: graph.input.map(named),
    output: graph.output.map(named),
    initializer: graph.initializer.map(named),
    sparseInitializer: graph.sparseInitializer.map((s) => (s.values ? { ...s, values: named(s.values) } : s)),
    valueInfo: graph.valueInfo.filter((v) => own.has(v.name)).map(named),
    node: graph.node.map((n) => ({
      ...n,
      input: n.input.map(to),
      output: n.output.map(to),
      attribute: renamed(n.attribute, to, fresh),
    })),
  };
}
