// Pairs of sentences with scores from files: STS-B's and SICK's, other tables, and lines of JSON.
import type { ScoredPair, StsColumns } from '@brickwork/embedding';
import { CliError } from './errors.ts';
import type { Io } from './io.ts';

/** How they are read. */
export interface StsPairsOptions {
  readonly limit?: number | undefined;
  readonly skipMalformed: boolean;
  readonly signal: AbortSignal;
}

/** Reads them. @throws with file and line where a row isn't one, and where there are none. */
export async function stsPairs(files: readonly string[], io: Io, o: StsPairsOptions): Promise<ScoredPair[]> {
  const [{ readRows, RowError }, { scoredPair, stsColumns, stsHeader }] = await Promise.all([
    import('@brickwork/training'),
    import('@brickwork/embedding'),
  ]);
  const { signal, limit = Infinity } = o;
  const pairs: ScoredPair[] = [];
  for (const file of files) {
    const isJson = /\.(jsonl|ndjson|json)(\.gz)?$/i.test(file);
    const isTable = /\.parquet$/i.test(file) || (/\.csv(\.gz)?$/i.test(file) && !(await hasTabs(file, signal)));
    const rows = readRows(file, { ...(!isJson && !isTable && { format: 'text' as const }), signal });
    let columns: StsColumns | null = null;
    let isFirst = true;
    for await (const { values, line } of rows) {
      if (pairs.length >= limit) break;
      try {
        if (isJson || isTable) {
          const keys = Object.keys(values);
          const at = stsHeader(keys);
          if (!at) throw new Error(`the fields are ${keys.join(', ')}; needs sentence1, sentence2 and score`);
          pairs.push(scoredPair({ a: values[keys[at.a]!], b: values[keys[at.b]!], score: values[keys[at.score]!] }));
          continue;
        }
        const cells = String(values['text']).split('\t');
        if (isFirst) {
          isFirst = false;
          columns = stsHeader(cells);
          if (columns) continue;
        }
        const { a, b, score } = (columns ??= stsColumns(cells));
        pairs.push(scoredPair({ a: cells[a], b: cells[b], score: cells[score] }));
      } catch (cause) {
        const error = new RowError(file, line, (cause as Error).message, { cause });
        if (!o.skipMalformed) throw error;
        io.note(`left out: ${error.message}`);
      }
    }
  }
  if (!pairs.length) throw new CliError(`${files.join(', ')}: no pairs of sentences with a score`);
  return pairs;
}

// STS-B's own files are called .csv, but their columns stand between tabs.
async function hasTabs(file: string, signal: AbortSignal): Promise<boolean> {
  const { readRows } = await import('@brickwork/training');
  for await (const { values } of readRows(file, { format: 'text', signal }))
    return String(values['text']).includes('\t');
  return false;
}
