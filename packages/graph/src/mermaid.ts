// A graph as a Mermaid flowchart (https://mermaid.js.org), which GitHub and many editors draw.
import { byBrick, picture, type Box, type PictureOptions } from './picture.ts';
import type { Tensor } from './tensor.ts';

/** The graph that computes the named outputs as the text of a Mermaid flowchart. Weights and constants have no boxes. */
export function toMermaid(outputs: Readonly<Record<string, Tensor>>, o: PictureOptions = {}): string {
  const { boxes, arrows } = picture('toMermaid', outputs, o);
  const lines = ['flowchart TD'];
  let frames = 0;
  for (const [brick, inside] of byBrick(boxes)) {
    if (brick) lines.push(`  subgraph g${frames++}["${quoted([brick])}"]`);
    for (const b of inside) lines.push(`  ${brick ? '  ' : ''}${b.id}${shapes[b.kind](`"${quoted(b.lines)}"`)}`);
    if (brick) lines.push('  end');
  }
  for (const { from, to, label } of arrows) lines.push(`  ${from} -->${label ? `|"${quoted([label])}"|` : ''} ${to}`);
  return `${lines.join('\n')}\n`;
}

const shapes: Readonly<Record<Box['kind'], (label: string) => string>> = {
  input: (s) => `([${s}])`,
  output: (s) => `([${s}])`,
  operator: (s) => `[${s}]`,
  brick: (s) => `[[${s}]]`,
  more: (s) => `[${s}]`,
};

// Whatever Mermaid or HTML might read as markup goes in as a number.
const quoted = (lines: readonly string[]): string =>
  lines.map((s) => s.replace(/[^\w .,:()[\]+/=-]/gu, (c) => `#${c < ' ' ? 32 : c.codePointAt(0)};`)).join('<br/>');
