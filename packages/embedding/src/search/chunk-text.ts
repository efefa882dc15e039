// Long texts in passages that an encoder can read: whole paragraphs, sentences or words, as many as fit, overlapping if wished.

/** How texts are cut. */
export interface ChunkOptions {
  /** Most of a passage, as `measure` counts; 120 unless given. */
  readonly size?: number;
  /** How much of a passage's end begins the next one; 0 unless given. */
  readonly overlap?: number;
  /** How long a piece of text is; words, as white space parts them, unless given. A tokenizer's count of ids, say. */
  readonly measure?: (text: string) => number;
}

/** A passage: `text.slice(start, end)`, with the lines that it begins and ends on, counted from 1. */
export interface Chunk {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly line: number;
  readonly endLine: number;
}

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly size: number;
}

const words = (text: string): number => text.match(/\S+/g)?.length ?? 0;
const sentences = new Intl.Segmenter(undefined, { granularity: 'sentence' });
const signs = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/**
 * Cuts a text. Nothing but white space between passages is lost, and a passage is larger than `size` only where one sign is.
 * A paragraph that fits isn't cut; one that doesn't is cut between sentences, a sentence between words, a word between signs.
 *
 * @throws where size isn't above 0, or overlap isn't below it.
 */
export function chunkText(text: string, { size = 120, overlap = 0, measure = words }: ChunkOptions = {}): Chunk[] {
  if (!(size > 0)) throw new Error(`chunkText: size is ${size}; needs a number above 0`);
  if (!(overlap >= 0 && overlap < size))
    throw new Error(`chunkText: overlap is ${overlap}; needs a number from 0 to below ${size}`);
  const pieces = split(text, 0, text.length, 0, size, measure);
  const ranges: (readonly [number, number])[] = [];
  let first = 0;
  while (first < pieces.length) {
    let [end, total] = [first, 0];
    while (end < pieces.length && (end === first || total + pieces[end]!.size <= size)) total += pieces[end++]!.size;
    ranges.push([pieces[first]!.start, pieces[end - 1]!.end]);
    if (end === pieces.length) break;
    // Whole pieces of the end, as many as fit, come again; never all of them.
    let [next, again] = [end, 0];
    while (
      next - 1 > first &&
      again + pieces[next - 1]!.size <= overlap &&
      again + pieces[next - 1]!.size + pieces[end]!.size <= size
    )
      again += pieces[--next]!.size;
    first = next;
  }
  let [line, at] = [1, 0];
  const lineOf = (place: number): number => {
    if (place < at) [line, at] = [1, 0];
    for (; at < place; at++) if (text.charCodeAt(at) === 10) line++;
    return line;
  };
  return ranges.map(([start, end]) => ({
    text: text.slice(start, end),
    start,
    end,
    line: lineOf(start),
    endLine: lineOf(end - 1),
  }));
}

// Parts of a part of the text, of the coarsest kind that fits: paragraphs, sentences, words, signs.
function split(
  text: string,
  from: number,
  to: number,
  level: number,
  size: number,
  measure: (text: string) => number,
): Piece[] {
  const own = text.slice(from, to);
  const trimmed = own.trim();
  if (!trimmed) return [];
  const start = from + own.length - own.trimStart().length;
  const end = start + trimmed.length;
  const length = measure(trimmed);
  // At the first level every paragraph is a piece of its own.
  if ((level > 0 && length <= size) || level > 3) return [{ start, end, size: length }];
  const cuts =
    level === 0
      ? paragraphs(trimmed)
      : level === 1
        ? segments(sentences, trimmed)
        : level === 2
          ? wordStarts(trimmed)
          : segments(signs, trimmed);
  return cuts.flatMap((cut, i) =>
    split(text, start + cut, start + (cuts[i + 1] ?? trimmed.length), level + 1, size, measure),
  );
}

const paragraphs = (text: string): number[] => [
  0,
  ...[...text.matchAll(/\r?\n[ \t]*\r?\n\s*/g)].map((m) => m.index + m[0].length),
];
const segments = (by: Intl.Segmenter, text: string): number[] => [...by.segment(text)].map(({ index }) => index);
const wordStarts = (text: string): number[] => [...text.matchAll(/\S+/g)].map(({ index }) => index);
