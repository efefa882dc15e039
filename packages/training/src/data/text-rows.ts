// Plain text: every line that isn't blank is a row {text}.
import { readLines } from './lines.ts';
import type { ReaderOptions, Row } from './row.ts';

/** Rows of a text file. */
export async function* textRows(file: string, { signal }: ReaderOptions): AsyncGenerator<Row, void, undefined> {
  for await (const { text, number } of readLines(file, signal))
    if (text.trim()) yield { values: { text }, file, line: number };
}
