// A graph as text for people: one line per value, in the order in which they are computed, named as in its ONNX file.
import { showAttribute } from './onnx/attributes.ts';
import { imported, originOf } from './onnx/imported.ts';
import { showType } from './onnx/known-type.ts';
import { attributesOf } from './onnx/model.ts';
import { Names } from './onnx/names.ts';
import { showValues } from './show-values.ts';
import { show, type Node, type Tensor } from './tensor.ts';

/** How a graph is printed. */
export interface PrintOptions {
  /** Nodes to print at most, from the first; all unless given. */
  readonly limit?: number;
}

/** Element type and shape: `float32(B, 64)`; `?` where a file that was read doesn't say. */
export function typeOf(x: Tensor): string {
  const origin = originOf(x);
  return origin && !x.data ? showType(origin.type) : `${x.dtype}${show(x.shape)}`;
}

/**
 * The graph that computes the named outputs as text:
 * ```
 * input    %x: float32(B, 64)
 * constant %constant_0: float32() = 2
 *          %mul_0: float32(B, 64) = Mul(%x, %constant_0)
 * output   %y: float32(B, 64) = Softmax(%mul_0) {axis: -1}
 * ```
 */
export function printGraph(outputs: Readonly<Record<string, Tensor>>, { limit = Infinity }: PrintOptions = {}): string {
  const names = new Names('printGraph', outputs);
  const results = new Set(Object.keys(outputs));
  const lines: string[] = [];
  const line = (kind: string, text: string): number => lines.push(`${kind.padEnd(9)}${text}`);
  const value = (x: Tensor): string => `${nameInText(names.of(x))}: ${typeOf(x)}`;
  for (const x of names.inputs.values()) line('input', value(x));
  const shown = names.nodes.slice(0, limit);
  const used = new Set(shown.flatMap((n) => n.inputs.map((x) => names.of(x))));
  for (const [, x] of Object.entries(outputs)) used.add(names.of(x));
  for (const { name, tensor } of names.constants)
    if (used.has(name)) line('constant', `${nameInText(name)}: ${typeOf(tensor)} = ${showValues(tensor)}`);
  for (const node of shown) {
    const isOutput = node.outputs.some((y) => results.has(names.of(y)));
    const left = node.outputs.map((y) => (names.of(y) ? value(y) : '_')).join(', ');
    const inputs = node.inputs.map((x) => (names.of(x) ? nameInText(names.of(x)) : '_'));
    line(isOutput ? 'output' : '', `${left} = ${operator(node)}(${inputs.join(', ')})${attributes(node)}`);
  }
  if (shown.length < names.nodes.length)
    line('', `… ${names.nodes.length - shown.length} more of ${names.nodes.length} nodes`);
  for (const [key, x] of Object.entries(outputs))
    if (names.of(x) !== key) line('output', `${nameInText(key)}: ${typeOf(x)} = ${nameInText(names.of(x))}`);
  return `${lines.join('\n')}\n`;
}

const attributes = (node: Node): string => {
  const list = attributesOf(node).map(showAttribute);
  return list.length ? ` {${list.join(', ')}}` : '';
};

/** The operator's name, with its domain where that isn't the standard one. */
export function operator(node: Node): string {
  const domain = imported(node)?.domain ?? node.op.domain ?? '';
  return domain ? `${domain}.${node.op.name}` : node.op.name;
}

const nameInText = (name: string): string => `%${/^[\w.:/-]+$/.test(name) ? name : JSON.stringify(name)}`;
