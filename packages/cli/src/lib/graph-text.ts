// A graph as text: a dump, a Mermaid flowchart or a DOT file, by the ending of a file's name.
import { extname } from 'node:path';
import type { Tensor } from '@brickwork/graph';
import { usage } from './errors.ts';

/** What is written to a path; `-` gives a dump. @throws where the ending is another. */
export function graphFormat(path: string): 'text' | 'mermaid' | 'dot' {
  if (path === '-') return 'text';
  const format = ({ '.txt': 'text', '.mmd': 'mermaid', '.mermaid': 'mermaid', '.dot': 'dot', '.gv': 'dot' } as const)[
    extname(path).toLowerCase()
  ];
  if (format === undefined)
    throw usage(
      `--graph ${path}: the file's name decides what is written; needs .txt, .mmd (Mermaid) or .dot (Graphviz)`,
    );
  return format;
}

/** The graph of named outputs as text. `depth` is how many parts of a brick's path get a box in pictures. */
export async function graphText(
  format: 'text' | 'mermaid' | 'dot',
  outputs: Readonly<Record<string, Tensor>>,
  depth: number | undefined,
): Promise<string> {
  const { printGraph, toDot, toMermaid } = await import('@brickwork/graph');
  if (format === 'text') return printGraph(outputs);
  return (format === 'dot' ? toDot : toMermaid)(outputs, depth === undefined ? {} : { depth });
}
