// Counts the words of a text that comes in chunks; the counts don't depend on how it was cut.
import type { Pause } from './pause.ts';
import type { WordEnd } from './words.ts';

/** Words longer than this many UTF-16 units are cut, so that a text without spaces needs no endless buffer. */
export const LONGEST_WORD = 4096;

// A scanner looks at most this far beyond a word's end.
const lookahead = 4;
const leastScan = 1 << 16;

/** How often each word occurs. Chunks may be cut anywhere, also within a surrogate pair. */
export async function countWords(
  chunks: Iterable<string> | AsyncIterable<string>,
  wordEnd: WordEnd,
  pause: Pause,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  // Words up to the place from which on more text could change them; that place.
  const scan = (text: string, isLast: boolean): number => {
    const limit = isLast ? text.length : text.length - lookahead;
    let start = 0;
    while (start < text.length) {
      const end = wordEnd(text, start, Math.min(start + LONGEST_WORD, text.length));
      if (end > limit) break;
      const word = text.slice(start, end);
      const count = counts.get(word);
      counts.set(count === undefined ? copy(word) : word, (count ?? 0) + 1);
      start = end;
    }
    return start;
  };
  let waiting: string[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    if (typeof chunk !== 'string')
      throw new TypeError(`trainTokenizer: a chunk is ${chunk === null ? 'null' : typeof chunk}; needs strings`);
    // Slices of a chunk as long as a file, so that the signal is heard.
    for (let at = 0; at < chunk.length; at += 16 * leastScan) {
      const part = chunk.slice(at, at + 16 * leastScan);
      pause.characters += part.length;
      waiting.push(part);
      length += part.length;
      if (length < leastScan) continue;
      const text = waiting.join('');
      const rest = text.slice(scan(text, false));
      waiting = [rest];
      length = rest.length;
      if (pause.isDue()) await pause.rest('count', 0);
    }
    if (pause.isDue()) await pause.rest('count', 0);
  }
  scan(waiting.join(''), true);
  await pause.rest('count', 0);
  if (counts.size === 0)
    throw new Error('trainTokenizer: the text is empty; there is nothing to learn a vocabulary from');
  return counts;
}

// A long slice keeps the text alive that it was cut from; a copy doesn't.
function copy(word: string): string {
  return word.length < 13 ? word : Buffer.from(word, 'utf16le').toString('utf16le');
}
