// What scoring gives: how likely a model finds a text, token by token. Natural logarithms throughout.

/** A token of a scored text. */
export interface ScoredToken {
  readonly id: number;
  /** The part of the text that it stands for; the token itself where it stands for none, as the one that ends a text. */
  readonly text: string;
  /** Where that part is in the text, `[start, end)` in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  /** Which word of the tokenizer's it is of; null for the token that ends a text. */
  readonly word: number | null;
  /** ln p of the token, given what the model sees; null where nothing predicts it: the first token without one before it. */
  readonly logProb: number | null;
}

/** A scored text. */
export interface Scored {
  readonly text: string;
  /** What stood before the text (or was its source) and isn't scored; empty where nothing did. */
  readonly context: string;
  readonly tokens: readonly ScoredToken[];
  /** ln p of the text: the sum over its scored tokens. */
  readonly logProb: number;
  /** How many tokens the sum is over. */
  readonly count: number;
  /** Length of the text in Unicode characters (code points), and in bytes of UTF-8. */
  readonly characters: number;
  readonly bytes: number;
}

/** A text, or a text that follows another one (causal and masked models), or has another one as its source. */
export type ScoreItem = string | { readonly context: string; readonly text: string };

/** The sum over tokens and the sizes that it is divided by. */
export function scoredText(text: string, context: string, tokens: readonly ScoredToken[]): Scored {
  let logProb = 0;
  let count = 0;
  for (const token of tokens) {
    if (token.logProb === null) continue;
    logProb += token.logProb;
    count++;
  }
  const bytes = Buffer.byteLength(text);
  return { text, context, tokens, logProb, count, characters: [...text].length, bytes };
}
