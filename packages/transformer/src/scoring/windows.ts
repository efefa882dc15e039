// A text longer than the model sees, in windows that overlap: each token is scored once, with what the window has before it.

/** Positions `[begin, end)` of a text, of which those from `from` on are scored. */
export interface Window {
  readonly begin: number;
  readonly from: number;
  readonly end: number;
}

/**
 * Windows over `length` tokens of which those from `from` on are scored. What fits is one window, cut at its beginning
 * where the context is too long; a longer text is read on by `stride` tokens at a time, so that each token but the first
 * ones has at least `size - stride` tokens before it.
 *
 * @param size most tokens of a window @param stride from 1 to `size`
 * @throws where a size isn't one.
 */
export function windows(length: number, from: number, size: number, stride: number): Window[] {
  if (!(size >= 2)) throw new Error(`score: the window is ${size} tokens; needs at least 2`);
  if (!(Number.isInteger(stride) && stride > 0 && stride < size))
    throw new Error(
      `score: the stride is ${stride}; needs a whole number from 1 to ${size - 1}, below the window's size`,
    );
  if (length <= size) return [{ begin: 0, from, end: length }];
  // The context gives way to the text; one token before the first scored one stays.
  if (length - from < size) return [{ begin: length - size, from, end: length }];
  const all: Window[] = [];
  let next = from;
  // The first window is full from the start, if there is a context to fill it.
  for (let begin = Math.max(0, from - (size - stride)); next < length; begin += stride) {
    const end = Math.min(length, begin + size);
    if (end <= next) continue;
    all.push({ begin, from: next, end });
    next = end;
  }
  return all;
}
