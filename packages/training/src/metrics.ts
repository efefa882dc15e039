// A run's metrics, read back: one JSON object a line, a step's or an evaluation's.
import { readFile } from 'node:fs/promises';

/** One line of metrics.jsonl. No times are in it, so that two runs of the same seed write the same file. */
export type MetricsEntry =
  | { readonly step: number; readonly loss: number; readonly rate: number; readonly norm: number }
  | { readonly step: number; readonly validation: number; readonly validationPerCharacter: number };

/**
 * Reads a metrics file; a last line that is still being written is left out.
 *
 * @throws where a line is not a JSON object with a step.
 */
export async function readMetrics(path: string): Promise<MetricsEntry[]> {
  const lines = (await readFile(path, 'utf8')).split('\n');
  lines.pop(); // what follows the last line end
  return lines.map((line, i) => {
    let entry: MetricsEntry | null = null;
    try {
      entry = JSON.parse(line) as MetricsEntry | null;
    } catch {
      // Told below.
    }
    if (!Number.isFinite(entry?.step))
      throw new Error(`${path}: line ${i + 1} is not an entry of a run's metrics: ${line.slice(0, 60)}`);
    return entry!;
  });
}
