// Encodes a text that comes in pieces, in parts of about a million characters, to the ids that the whole text has.
import type { Encoder } from './token-data.ts';

/** How much text is encoded at a time. */
export interface EncodeStreamOptions {
  /** Characters (UTF-16 units) of a part; 2^20 unless given. */
  readonly part?: number;
}

const context = 128;

/**
 * Ids part by part. A text is cut only after the end of a line where encoding the two sides apart gives what encoding
 * them together gives; where a tokenizer has no such place (it marks the beginning of a text, say), parts grow.
 */
export async function* encodeStream(
  pieces: AsyncIterable<string> | Iterable<string>,
  encoder: Encoder,
  { part = 2 ** 20 }: EncodeStreamOptions = {},
): AsyncGenerator<ArrayLike<number>> {
  const encode = (text: string): ArrayLike<number> => encoder.encode(text, { addSpecialTokens: false }).ids;
  let waiting: string[] = [];
  let length = 0;
  let wanted = part;
  for await (const piece of pieces) {
    waiting.push(piece);
    length += piece.length;
    while (length >= wanted) {
      const text = waiting.join('');
      const cut = findCut(text, part, encode);
      if (cut) yield encode(text.slice(0, cut));
      wanted = cut ? part : 2 * length;
      waiting = [text.slice(cut)];
      length = text.length - cut;
    }
  }
  const rest = waiting.join('');
  if (rest) yield encode(rest);
}

// The last safe place up to about a part's length, or the first few beyond; 0 where none of those tried is safe.
function findCut(text: string, part: number, encode: (text: string) => ArrayLike<number>): number {
  const isPlace = (at: number): boolean => at > 0 && at < text.length && /\S/.test(text[at]!);
  let tries = 0;
  for (let at = text.lastIndexOf('\n', part - 1) + 1; at > 1 && tries < 8; at = text.lastIndexOf('\n', at - 2) + 1)
    if (isPlace(at) && (tries++, isSafe(text, at, encode))) return at;
  tries = 0;
  for (let at = text.indexOf('\n', part) + 1; at > 0 && tries < 8; at = text.indexOf('\n', at) + 1)
    if (isPlace(at) && (tries++, isSafe(text, at, encode))) return at;
  return 0;
}

function isSafe(text: string, at: number, encode: (text: string) => ArrayLike<number>): boolean {
  const [left, right] = [text.slice(Math.max(0, at - context), at), text.slice(at, at + context)];
  const together = encode(left + right);
  const [a, b] = [encode(left), encode(right)];
  if (together.length !== a.length + b.length) return false;
  for (let i = 0; i < together.length; i++) if (together[i] !== (i < a.length ? a[i] : b[i - a.length])) return false;
  return true;
}
