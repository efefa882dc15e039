// The word pattern of GPT-2 (Radford et al., 2019) as a hand-written scanner: it is faster than the regular expression
// and can stop at a chunk's end.

/** GPT-2's pattern as it is written in a tokenizer.json. */
export const GPT2_PATTERN = `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+`;

const LETTER = 1;
const NUMBER = 2;
const SPACE = 3;
const OTHER = 4;

/** A scanner: where the word ends that begins at `start`, given that the text can be looked at up to its end. */
export type WordEnd = (text: string, start: number, stop?: number) => number;

/**
 * Makes a scanner for one reading of `\s`.
 *
 * @param space what counts as white space: `'unicode'` is the property White_Space, as Hugging Face's Rust library has
 *   it; `'javascript'` is `\s` of JavaScript, as @huggingface/tokenizers has it (U+FEFF is one, U+0085 is not).
 * @returns a function that gives the end of the word at `start`. With `stop` a longer word is cut there (never inside a
 *   surrogate pair); what follows `stop` is still looked at.
 */
export function wordScanner(space: 'unicode' | 'javascript'): WordEnd {
  const isSpace = space === 'unicode' ? /\p{White_Space}/u : /\s/u;
  const classes = new Uint8Array(0x10000); // filled on first sight

  const classify = (codePoint: number): number => {
    const char = String.fromCodePoint(codePoint);
    return isSpace.test(char) ? SPACE : /\p{L}/u.test(char) ? LETTER : /\p{N}/u.test(char) ? NUMBER : OTHER;
  };
  const astral = new Map<number, number>();
  const classAt = (text: string, i: number): number => {
    const unit = text.charCodeAt(i);
    if ((unit & 0xfc00) !== 0xd800) return (classes[unit] ||= classify(unit));
    const codePoint = text.codePointAt(i)!;
    if (codePoint === unit) return OTHER; // a lone surrogate
    let known = astral.get(codePoint);
    if (known === undefined) astral.set(codePoint, (known = classify(codePoint)));
    return known;
  };
  /** The end of the run of one class from `i`, where `i` may already be past its first character. */
  const runEnd = (text: string, start: number, stop: number, kind: number): number => {
    let i = start;
    while (i < stop && classAt(text, i) === kind) i += isPair(text, i) ? 2 : 1;
    return i > stop ? stop : i;
  };

  return (text, start, stop = text.length) => {
    if (stop < text.length && isPair(text, stop - 1)) stop -= stop - 1 > start ? 1 : -1;
    const kind = classAt(text, start);
    if (kind !== SPACE) {
      const contraction = contractionLength(text, start);
      if (contraction > 0) return Math.min(start + contraction, stop);
      return runEnd(text, start, stop, kind);
    }
    const end = runEnd(text, start, stop, SPACE);
    if (end === stop) return end;
    // The last space before a word belongs to the word.
    if (end - start > 1) return end - 1;
    return text.charCodeAt(start) === 0x20 ? runEnd(text, end, stop, classAt(text, end)) : end;
  };
}

/** True where a surrogate pair starts. */
function isPair(text: string, i: number): boolean {
  return (text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00;
}

/** The length of 's 't 're 've 'm 'll 'd at a position, or 0. */
function contractionLength(text: string, i: number): number {
  if (text.charCodeAt(i) !== 0x27) return 0;
  const first = text[i + 1];
  if (first === 's' || first === 't' || first === 'm' || first === 'd') return 2;
  const second = text[i + 2];
  return (first === 'r' && second === 'e') || (first === 'v' && second === 'e') || (first === 'l' && second === 'l')
    ? 3
    : 0;
}
