// Plain text: every line that isn't blank is a row {text}, or every paragraph.
import { readLines } from './lines.ts';
import type { ReaderOptions, Row } from './row.ts';

/** Rows of a text file. */
export async function* textRows(file: string, { signal }: ReaderOptions): AsyncGenerator<Row, void, undefined> {
  for await (const { text, number } of readLines(file, signal))
    if (text.trim()) yield { values: { text }, file, line: number };
}

// A text without blank lines is cut at a line's end beyond so many characters.
const longest = 2 ** 16;

/** Paragraphs of a text file: lines up to a blank one, joined again. */
export async function* paragraphRows(file: string, { signal }: ReaderOptions): AsyncGenerator<Row, void, undefined> {
  let lines: string[] = [];
  let size = 0;
  let first = 0;
  const row = (): Row => ({ values: { text: lines.join('\n') }, file, line: first });
  for await (const { text, number } of readLines(file, signal)) {
    const isBlank = !text.trim();
    if (lines.length && (isBlank || size > longest)) {
      yield row();
      lines = [];
      size = 0;
    }
    if (isBlank) continue;
    if (!lines.length) first = number;
    lines.push(text);
    size += text.length;
  }
  if (lines.length) yield row();
}
