// Passages of so many words, and a part held out as one block: what attribution is trained on, calibrated with and measured by.

/**
 * Cuts a text into passages of `words` words, as whitespace separates them; a rest of less than half as many belongs to
 * the passage before it. White space between words stays as it is, that around passages goes.
 *
 * @throws where `words` is no whole number above 0.
 */
export function cutPassages(text: string, words: number): string[] {
  if (!(Number.isInteger(words) && words > 0))
    throw new Error(`cutPassages: words is ${words}; needs a whole number above 0`);
  const starts = Array.from(text.matchAll(/\S+/g), ({ index }) => index);
  const count = Math.max(1, Math.round(starts.length / words));
  const cuts = Array.from({ length: count }, (_, i) => starts[i * words] ?? text.length);
  return cuts.map((from, i) => text.slice(from, cuts[i + 1] ?? text.length).trim()).filter((passage) => passage !== '');
}

/** What is learned from, and what isn't. */
export interface HeldOut {
  readonly train: string[];
  readonly held: string[];
}

// Texts of fewer characters aren't cut in two.
const shortest = 1000;

/**
 * Holds the last part of texts out: the last ones, and of the one that the border falls into, where it is long or the only
 * one, the end. As it is one block, no passage of it stands beside one that is trained on, but for the first.
 *
 * @param share of the characters, from 0 to less than 1
 */
export function holdOut(texts: readonly string[], share: number): HeldOut {
  if (!(share >= 0 && share < 1)) throw new Error(`holdOut: share is ${share}; needs 0 or more and less than 1`);
  const total = texts.reduce((sum, text) => sum + text.length, 0);
  let room = Math.round(total * (1 - share));
  let kept = 0;
  while (kept < texts.length && texts[kept]!.length <= room) room -= texts[kept++]!.length;
  const [train, held] = [texts.slice(0, kept), texts.slice(kept)];
  const [border] = held;
  if (border !== undefined && (border.length >= shortest || texts.length === 1)) {
    const found = border.slice(room).search(/\s/);
    const at = found < 0 ? border.length : room + found;
    const parts = [border.slice(0, at), border.slice(at).trim()] as const;
    return {
      train: [...train, ...(parts[0].trim() ? [parts[0]] : [])],
      held: [...(parts[1] ? [parts[1]] : []), ...held.slice(1)],
    };
  }
  return { train, held };
}

/** A text of Project Gutenberg without its header and licence, and without carriage returns and a byte order mark. */
export function stripGutenberg(text: string): string {
  const plain = text.replace(/^\uFEFF/, '').replaceAll('\r', '');
  const begin = /^\*\*\* ?START OF TH(?:E|IS) PROJECT GUTENBERG EBOOK.*$/m.exec(plain);
  const end = /^\*\*\* ?END OF TH(?:E|IS) PROJECT GUTENBERG EBOOK.*$/m.exec(plain);
  return plain.slice(begin ? begin.index + begin[0].length : 0, end ? end.index : undefined).trim();
}
