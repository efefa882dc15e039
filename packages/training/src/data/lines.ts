// The lines of a text file of any size, compressed or not.
import { readText } from '../read-text.ts';

/** A line, counted from 1, without its end. */
export interface Line {
  readonly text: string;
  readonly number: number;
}

// A line longer than this is a file of another kind.
const longest = 2 ** 26;

/**
 * Lines that end in \n or \r\n; the last one may lack its end.
 *
 * @throws where the file is missing or not UTF-8, or has a line of more than 64 Mi characters.
 */
export async function* readLines(file: string, signal?: AbortSignal): AsyncGenerator<Line, void, undefined> {
  let rest = '';
  let number = 0;
  const line = (text: string): Line => ({ text: text.endsWith('\r') ? text.slice(0, -1) : text, number: ++number });
  for await (const piece of readText(file, { signal })) {
    const parts = piece.split('\n');
    parts[0] = rest + parts[0]!;
    rest = parts.pop()!;
    for (const text of parts) yield line(text);
    if (rest.length > longest)
      throw new Error(`${file}:${number + 1}: a line of more than ${longest} characters; is this a text file?`);
  }
  if (rest) yield line(rest);
}
