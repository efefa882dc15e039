// Where a word is missing in a text.

/** A text on both sides of its blank. */
export interface Blank {
  readonly before: string;
  readonly after: string;
}

// Three underscores or more, or a mask, or dots at the end.
const dots = /(?:\s*…|\s+\.{3}|\.{3})(?=["”’']?\s*$)/g;
const marks = [/_{3,}/g, /\[MASK\]|<mask>|\[BLANK\]/gi, dots];

/**
 * The two sides of a text's blank: `___` (three or more), `[MASK]`, or `…` at the end, which a space goes before.
 *
 * @throws where it has none, or several.
 */
export function splitBlank(text: string): Blank {
  if (typeof text !== 'string') throw new TypeError(`blank: the text is ${typeof text}; needs a string`);
  for (const mark of marks) {
    const found = [...text.matchAll(mark)];
    if (found.length > 1)
      throw new Error(`blank: ${found.length} blanks in ${JSON.stringify(text.slice(0, 60))}; needs one`);
    const [one] = found;
    if (!one) continue;
    const [before, after] = [text.slice(0, one.index), text.slice(one.index + one[0].length)];
    // Dots may stand right after a word; what they stand for doesn't.
    return { before: mark === dots && before ? `${before} ` : before, after };
  }
  throw new Error(
    `blank: no ___, [MASK] or final … in ${JSON.stringify(text.slice(0, 60))}; put ___ where the word is missing`,
  );
}

/** The text before its last word, and that word without punctuation after it, as LAMBADA asks (Paperno et al., 2016). */
export function lastWord(text: string): { readonly before: string; readonly word: string } {
  const found = /^([^]*?\S)\s+(\S+)\s*$/.exec(text);
  if (!found) throw new Error(`blank: ${JSON.stringify(text.slice(0, 60))} has no last word after others`);
  return { before: found[1]!, word: found[2]! };
}
