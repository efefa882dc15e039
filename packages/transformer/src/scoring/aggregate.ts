// Scores in the units that they are compared in: by token, character or byte, in nats or bits, by word and sentence.
import type { Scored, ScoredToken } from './scored.ts';

/** What a text's log-probability is divided by: nothing, or how many tokens, characters or bytes it has. */
export type Normalization = 'sum' | 'token' | 'character' | 'byte';

/** Bits of nats. */
export const toBits = (nats: number): number => nats / Math.LN2;

/**
 * ln p of a text, divided as asked; NaN where it has no scored token.
 *
 * @throws where there is no such division.
 */
export function scoreOf({ logProb, count, characters, bytes }: Scored, by: Normalization = 'sum'): number {
  const sizes = { sum: 1, token: count, character: characters, byte: bytes };
  if (!Object.hasOwn(sizes, by))
    throw new Error(`scoreOf: ${JSON.stringify(by)}; needs one of ${Object.keys(sizes).join(', ')}`);
  return count ? logProb / sizes[by] : NaN;
}

/** A part of a scored text: a word, a sentence. */
export interface ScoredPart {
  readonly text: string;
  /** Where it is in the text, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  readonly tokens: readonly ScoredToken[];
  /** The sum over its tokens; null where its first token has no score, so that the sum would be of another thing. */
  readonly logProb: number | null;
}

/**
 * A text's words, as white space separates them: punctuation belongs to the word that it stands at, as where reading times
 * are measured (Smith and Levy, 2013). Each token counts to the word that its first visible character is in; a token of
 * spaces alone, to the word that follows.
 */
export const scoredWords = (scored: Scored): ScoredPart[] =>
  scoredParts(
    scored,
    [...scored.text.matchAll(/\S+/g)].map((m) => [m.index, m.index + m[0].length]),
  );

/** A text's sentences, as Unicode segments them (UAX #29). */
export const scoredSentences = (scored: Scored, locale?: string): ScoredPart[] =>
  scoredParts(
    scored,
    [...new Intl.Segmenter(locale, { granularity: 'sentence' }).segment(scored.text)].map(({ index, segment }) => [
      index,
      index + segment.trimEnd().length,
    ]),
  ).filter(({ text }) => text.trim());

// A part takes the tokens whose first visible character is before its end, and that no part before it took.
function scoredParts(
  { text, tokens }: Scored,
  parts: readonly (readonly [start: number, end: number])[],
): ScoredPart[] {
  let next = 0;
  return parts.map(([start, end], i) => {
    const own: ScoredToken[] = [];
    for (; next < tokens.length; next++) {
      const token = tokens[next]!;
      const visible = token.start + (token.text.length - token.text.trimStart().length);
      // What comes after the last part (the token that ends the text, spaces) is the last one's.
      if (i < parts.length - 1 && visible >= end) break;
      own.push(token);
    }
    return {
      text: text.slice(start, end),
      start,
      end,
      tokens: own,
      logProb: own.some(({ logProb }) => logProb === null) ? null : own.reduce((sum, { logProb }) => sum + logProb!, 0),
    };
  });
}
