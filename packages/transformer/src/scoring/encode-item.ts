// A text and what stands before it as ids, and which of these are to be scored.
import type { Tokenizer } from '@brickwork/tokenizer';
import { scoredText, type Scored, type ScoredToken, type ScoreItem } from './scored.ts';

/** An item's tokens, as one list with what stands around them. */
export interface EncodedItem {
  readonly context: string;
  readonly text: string;
  /** Everything that the model reads: special tokens, context, text. */
  readonly ids: readonly number[];
  /** The tokens of the text (and the one that ends it, if that counts), in order; the first is `ids[from]`. */
  readonly tokens: readonly Omit<ScoredToken, 'logProb'>[];
  readonly from: number;
}

/**
 * An item's context and text.
 *
 * @throws where it isn't one, or the text is empty.
 */
export function partsOf(item: ScoreItem): { context: string; text: string } {
  const { context, text } = typeof item === 'string' ? { context: '', text: item } : (item ?? {});
  if (typeof context !== 'string' || typeof text !== 'string')
    throw new TypeError(`score: an item is ${JSON.stringify(item)}; needs a text, or { context, text }`);
  if (!text) throw new Error('score: a text is empty; there is nothing to score');
  return { context, text };
}

/** Where special tokens stand. */
export interface Around {
  /** Before the context, such as the token that begins a text; `[CLS]`. */
  readonly before: readonly number[];
  /** After the text and not scored: `[SEP]`. */
  readonly after: readonly number[];
  /** After the text, and scored; none where null. */
  readonly end: { readonly id: number; readonly content: string } | null;
}

/**
 * Encodes context and text as one, as the model would read them, and cuts after as many tokens as the context has alone.
 * Spaces at the context's end count to the text, whose first word they belong to in most vocabularies. (Both as
 * lm-evaluation-harness does it.) Where the text would have no token of its own then, the two are encoded apart.
 */
export function encodeItem(tokenizer: Tokenizer, item: ScoreItem, { before, after, end }: Around): EncodedItem {
  const { context, text } = partsOf(item);
  const kept = context.trimEnd();
  const plain = { addSpecialTokens: false };
  const head = kept ? tokenizer.encode(kept, plain).ids : [];
  const whole = tokenizer.encode(context + text, plain);
  const isApart = head.length > 0 && whole.ids.length <= head.length;
  const { ids, offsets, wordIds } = isApart ? tokenizer.encode(text, plain) : whole;
  const [cut, shift] = isApart ? [0, 0] : [head.length, context.length];
  if (ids.length <= cut)
    throw new Error(`score: the text ${JSON.stringify(text.slice(0, 60))} has no tokens; there is nothing to score`);
  const tokens = ids.slice(cut).map((id, i) => {
    const [from, to] = offsets[cut + i]!;
    const [start, stop] = [Math.max(0, from - shift), Math.max(0, to - shift)];
    return { id, text: text.slice(start, stop), start, end: stop, word: wordIds[cut + i]! };
  });
  const ending = { text: end?.content ?? '', start: text.length, end: text.length, word: null };
  const prefix = [...before, ...(isApart ? head : ids.slice(0, cut))];
  return {
    context,
    text,
    ids: [...prefix, ...ids.slice(cut), ...(end ? [end.id] : []), ...after],
    tokens: end ? [...tokens, { id: end.id, ...ending }] : tokens,
    from: prefix.length,
  };
}

/** The item's score, of ln p of each of its tokens. */
export const scoredItem = ({ text, context, tokens }: EncodedItem, logProbs: readonly (number | null)[]): Scored =>
  scoredText(
    text,
    context,
    tokens.map((token, i) => ({ ...token, logProb: logProbs[i]! })),
  );
