// Finds added tokens in a text: the longest that begins at each place, before anything else is done with it.
import type { AddedToken } from './tokenizer-json.ts';

/** A part of a text: an added token, or what lies between. Spaces that a token takes with it are left out. */
export interface Section {
  readonly start: number;
  readonly end: number;
  readonly token: AddedToken | undefined;
}

/** Makes a function that cuts a text at the given contents; `tokens` has the token of each and of all others. */
export function sectionFinder(
  contents: readonly string[],
  tokens: ReadonlyMap<string, AddedToken>,
): (text: string) => Section[] {
  const longestFirst = contents.filter(Boolean).sort((a, b) => b.length - a.length);
  const pattern = longestFirst.map((one) => one.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|');
  const strips = [...tokens.values()].some((token) => token.lstrip || token.rstrip);
  const longest = Math.max(0, ...[...tokens.keys()].map((one) => one.length));
  return (text) => {
    const found: { start: number; end: number }[] = [];
    let start = 0;
    if (pattern)
      for (const { index, 0: match } of text.matchAll(new RegExp(pattern, 'g'))) {
        if (index > start) found.push({ start, end: index });
        found.push({ start: index, end: (start = index + match.length) });
      }
    if (start < text.length) found.push({ start, end: text.length });
    const tokenOf = (one: { start: number; end: number }): AddedToken | undefined =>
      one.end - one.start <= longest ? tokens.get(text.slice(one.start, one.end)) : undefined;
    if (strips)
      found.forEach((one, i) => {
        const token = tokenOf(one);
        const [before, after] = [found[i - 1], found[i + 1]];
        if (token?.lstrip && before) before.end = before.start + text.slice(before.start, before.end).trimEnd().length;
        if (token?.rstrip && after) after.start = after.end - text.slice(after.start, after.end).trimStart().length;
      });
    return found.filter((one) => one.start < one.end).map((one) => ({ ...one, token: tokenOf(one) }));
  };
}
