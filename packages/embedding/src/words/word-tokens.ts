// A text as words, for vectors of words: in lower case, runs of letters and digits, apostrophes within.

/** How texts become words. */
export interface WordTokenOptions {
  /** Lower case; true unless given. */
  readonly lowerCase?: boolean;
  /** Splits a text; `words` (unless given): letters, marks and digits with apostrophes and hyphens left out; `spaces`: at white space. */
  readonly split?: 'words' | 'spaces';
}

const letters = /[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}]+)*/gu;

/** The words of a text, in order. */
export function wordTokens(text: string, { lowerCase = true, split = 'words' }: WordTokenOptions = {}): string[] {
  const own = lowerCase ? text.toLowerCase() : text;
  if (split !== 'words' && split !== 'spaces')
    throw new Error(`wordTokens: split is ${JSON.stringify(split)}; needs words or spaces`);
  const found = own.match(split === 'words' ? letters : /\S+/g) ?? [];
  return split === 'words' && own.includes('’') ? found.map((word) => word.replaceAll('’', "'")) : [...found];
}
