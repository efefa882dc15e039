// Sets of characters as grammars over the bytes of UTF-8 (after Cox's and utf8-ranges' splitting of code-point ranges).
import { byteRange, choice, sequence, type Grammar } from './grammar.ts';

/** Code points from one to another, both included. */
export type CodeRange = readonly [from: number, to: number];

/** The last code point of one, two, three and four bytes. */
const lasts = [0x7f, 0x7ff, 0xffff, 0x10ffff];

/** Ranges in order that don't overlap, without surrogates, which no text has. */
export function normalRanges(ranges: readonly CodeRange[]): CodeRange[] {
  const whole = ranges.flatMap(([from, to]): CodeRange[] => {
    const parts: CodeRange[] = [
      [from, Math.min(to, 0xd7ff)],
      [Math.max(from, 0xe000), to],
    ];
    return parts.filter(([a, b]) => a <= b);
  });
  const merged: [number, number][] = [];
  for (const [from, to] of whole.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

/** All code points outside of ranges. */
export function complement(ranges: readonly CodeRange[]): CodeRange[] {
  const out: CodeRange[] = [];
  let next = 0;
  for (const [from, to] of normalRanges(ranges)) {
    if (next < from) out.push([next, from - 1]);
    next = to + 1;
  }
  if (next <= 0x10ffff) out.push([next, 0x10ffff]);
  return normalRanges(out);
}

/** One character of a set. */
export function character(ranges: readonly CodeRange[]): Grammar {
  const parts = normalRanges(ranges).flatMap(([from, to]) => split(from, to));
  return choice(...parts);
}

const bytesOf = (code: number): number[] => [...Buffer.from(String.fromCodePoint(code), 'utf8')];

// Byte sequences of a range: first by length, then where all but the first byte take all their values.
function split(from: number, to: number): Grammar[] {
  for (const last of lasts) if (from <= last && last < to) return [...split(from, last), ...split(last + 1, to)];
  const n = bytesOf(from).length;
  for (let i = 1; i < n; i++) {
    const low = (1 << (6 * i)) - 1;
    if (from >> (6 * i) === to >> (6 * i)) continue;
    if ((from & low) !== 0) return [...split(from, from | low), ...split((from | low) + 1, to)];
    if ((to & low) !== low) return [...split(from, (to & ~low) - 1), ...split(to & ~low, to)];
  }
  const [a, b] = [bytesOf(from), bytesOf(to)];
  return [sequence(...a.map((byte, i) => byteRange(byte, b[i]!)))];
}
