// A text that was changed on the way, each of its UTF-16 units with the range of the original that it stands for.

/** Text with its origin: unit i stands for `[from[i], to[i])`. `at` is where the original stands where it is empty. */
export interface Aligned {
  readonly text: string;
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly at: number;
}

/** A part of the original, as it is. */
export function aligned(text: string, start = 0): Aligned {
  const from = Array.from(text, () => 0);
  from.length = 0;
  for (let i = 0; i < text.length; i++) from.push(start + i);
  return { text, from, to: from.map((i) => i + 1), at: start };
}

/** Units `[start, end)` of a text. */
export function slice(a: Aligned, start: number, end: number): Aligned {
  const at = a.from[start] ?? a.to[start - 1] ?? a.at;
  return { text: a.text.slice(start, end), from: a.from.slice(start, end), to: a.to.slice(start, end), at };
}

/** The range of the original that units `[start, end)` stand for. */
export function range(a: Aligned, start: number, end: number): [number, number] {
  if (start >= end) return [a.at, a.at];
  return [a.from[start]!, Math.max(a.from[start]!, a.to[end - 1]!)];
}

/** Aligns what a step made of a text with the text's original. `apply` is the step; it is tried on parts of the text. */
export function realign(a: Aligned, out: string, apply: (text: string) => string): Aligned {
  if (out === a.text) return a;
  const parts = align(a.text, out, apply);
  const from: number[] = [];
  const to: number[] = [];
  for (const [start, end, length] of parts) {
    const [first, last] = start < end ? range(a, start, end) : [a.from[start] ?? a.to.at(-1) ?? a.at, -1];
    for (let i = 0; i < length; i++) {
      const isSame = end - start === length;
      from.push(isSame ? a.from[start + i]! : first);
      to.push(isSame ? a.to[start + i]! : Math.max(first, last));
    }
  }
  return { text: out, from, to, at: a.at };
}

/** Units `[start, end)` of a text became this many units of the result. */
type Part = readonly [start: number, end: number, length: number];

// A character, one with its marks, a word with the spaces after it: the first by which the step can be taken apart.
const units = [/[\s\S]/gu, /[\s\S]\p{M}*/gu, /\s*\S+(\s+$)?|\s+/gu];
// The lower case of Σ depends on where it stands.
const fold = (text: string): string => text.replaceAll('ς', 'σ');

function align(text: string, out: string, apply: (text: string) => string): Part[] {
  for (const unit of units) {
    const pieces = text.match(unit) ?? [];
    const results = pieces.map(apply);
    if (fold(results.join('')) !== fold(out)) continue;
    if (pieces.length === 1 && unit === units[2]) break;
    let start = 0;
    return pieces.flatMap((piece, i): Part[] => {
      const base = start;
      start += piece.length;
      const inner: Part[] =
        unit === units[2] ? align(piece, results[i]!, apply) : [[0, piece.length, results[i]!.length]];
      return inner.map(([from, to, length]) => [base + from, base + to, length]);
    });
  }
  // Something was put before the text, which stands for the first character as in Hugging Face's library, or taken from
  // the ends of the text.
  if (out.endsWith(text)) {
    const first = [...text][0]?.length ?? 0;
    return [
      [0, first, out.length - text.length],
      [0, text.length, text.length],
    ];
  }
  const found = out === '' ? -1 : text.indexOf(out);
  if (found >= 0) return [[found, found + out.length, out.length]];
  // What both have at their ends; what lies between stands for what lies between.
  let head = 0;
  while (head < Math.min(text.length, out.length) && text[head] === out[head]) head++;
  let tail = 0;
  while (tail < Math.min(text.length, out.length) - head && text.at(-1 - tail) === out.at(-1 - tail)) tail++;
  return [
    [0, head, head],
    [head, text.length - tail, out.length - head - tail],
    [text.length - tail, text.length, tail],
  ];
}
