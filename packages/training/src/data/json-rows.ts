// JSON lines (jsonlines.org): one object a line. A file that is one array of objects is read too.
import { readLines } from './lines.ts';
import { RowError, type ReaderOptions, type Row } from './row.ts';

// An array is read whole: it has no lines to read it by.
const largestArray = 2 ** 28;

/** Rows of a JSON-lines file; blank lines are left out. */
export async function* jsonRows(file: string, { refuse, signal }: ReaderOptions): AsyncGenerator<Row, void, undefined> {
  let first = true;
  for await (const { text, number } of readLines(file, signal)) {
    if (!text.trim()) continue;
    if (first && text.trimStart().startsWith('[')) {
      yield* arrayRows(file, refuse, signal);
      return;
    }
    first = false;
    const row = parse(text, file, number, refuse);
    if (row) yield row;
  }
}

function parse(text: string, file: string, line: number, refuse: ReaderOptions['refuse']): Row | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    refuse(new RowError(file, line, `not JSON (${(cause as Error).message})`, { cause }));
    return null;
  }
  return row(value, file, line, refuse);
}

function row(value: unknown, file: string, line: number, refuse: ReaderOptions['refuse']): Row | null {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return { values: value as Record<string, unknown>, file, line };
  refuse(
    new RowError(file, line, `${JSON.stringify(value).slice(0, 40)} is not an object; needs {"column": value, …}`),
  );
  return null;
}

async function* arrayRows(
  file: string,
  refuse: ReaderOptions['refuse'],
  signal: AbortSignal | undefined,
): AsyncGenerator<Row, void, undefined> {
  let text = '';
  for await (const line of readLines(file, signal)) {
    text += `${line.text}\n`;
    if (text.length > largestArray)
      throw new RowError(file, 1, 'an array of more than 256 Mi characters; write one object a line (JSON lines)');
  }
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch (cause) {
    throw new RowError(file, 1, `not JSON (${(cause as Error).message})`, { cause });
  }
  for (const [i, value] of (values as unknown[]).entries()) {
    const one = row(value, file, i + 1, refuse);
    if (one) yield one;
  }
}
