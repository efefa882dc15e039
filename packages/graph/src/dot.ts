// A graph in the DOT language of Graphviz (https://graphviz.org/doc/info/lang.html).
import { byBrick, picture, type Box, type PictureOptions } from './picture.ts';
import type { Tensor } from './tensor.ts';

/** The graph that computes the named outputs as the text of a DOT file. Weights and constants have no boxes. */
export function toDot(outputs: Readonly<Record<string, Tensor>>, o: PictureOptions = {}): string {
  const { boxes, arrows } = picture('toDot', outputs, o);
  const lines = [
    'digraph {',
    '  node [shape=box, fontname="sans-serif"];',
    '  edge [fontname="sans-serif", fontsize=10];',
  ];
  let frames = 0;
  for (const [brick, inside] of byBrick(boxes)) {
    if (brick) lines.push(`  subgraph cluster_${frames++} {`, `    label=${quoted([brick])};`);
    for (const b of inside) lines.push(`  ${brick ? '  ' : ''}${b.id} [label=${quoted(b.lines)}${styles[b.kind]}];`);
    if (brick) lines.push('  }');
  }
  for (const { from, to, label } of arrows)
    lines.push(`  ${from} -> ${to}${label ? ` [label=${quoted([label])}]` : ''};`);
  return `${lines.join('\n')}\n}\n`;
}

const styles: Readonly<Record<Box['kind'], string>> = {
  input: ', style=rounded',
  output: ', style=rounded',
  operator: '',
  brick: ', peripheries=2',
  more: ', style=dashed',
};

// A backslash would start one of DOT's escapes, an ampersand one of HTML's; control characters have no place in a label.
const quoted = (lines: readonly string[]): string => `"${lines.map(escaped).join('\\n')}"`;
const escaped = (s: string): string =>
  s
    .replace(/\p{Cc}/gu, ' ')
    .replace(/["\\]/g, (c) => `\\${c}`)
    .replaceAll('&', '&amp;');
