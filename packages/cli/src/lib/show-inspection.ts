// What inspecting found, as text.
import type { Inspection } from './inspect-model.ts';
import { bytes, count } from './progress.ts';
import { table } from './table.ts';

const memoryNames: Readonly<Record<string, string>> = {
  weights: 'weights',
  training: 'training with AdamW: weights, gradients, two moments (and what batches need)',
  cachePerToken: 'keys and values of one token',
  cacheOfContext: 'keys and values of a full context',
};

/** Configuration, bricks with their parameters, memory. */
export function showInspection({ config, bricks, parameters, memory, graph }: Inspection): string {
  const parts: string[] = [];
  const settings = Object.entries(config).map(([key, value]) => [
    key,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  if (settings.length) parts.push(table(settings));
  if (graph) {
    parts.push(
      table([
        ...graph.inputs.map((text) => ['input', text]),
        ...graph.outputs.map((text) => ['output', text]),
        ...Object.entries(graph.operators).map(([name, n]) => [`${count(n)} ×`, name]),
      ]),
    );
  }
  const share = (n: number): string => `${((100 * n) / Math.max(1, parameters)).toFixed(1)}%`;
  const shapes = (row: (typeof bricks)[number]): string =>
    row.weights.map(({ name, shape }) => `${name} (${shape.join(', ')})`).join(', ');
  parts.push(
    table(
      [
        ['brick', '', 'weights of one', 'parameters', ''],
        ...bricks.map((row) => [
          row.brick,
          row.copies > 1 ? `× ${row.copies}` : '',
          shapes(row),
          count(row.parameters),
          share(row.parameters),
        ]),
        ['in all', '', '', count(parameters), ''],
      ],
      [1, 3, 4],
    ),
  );
  parts.push(
    table(
      Object.entries(memory).map(([name, n]) => [bytes(n), memoryNames[name]!]),
      [0],
    ),
  );
  return parts.join('\n');
}
