// What a text is encoded to: ids at once, and tokens, offsets and the rest when they are asked for.
import type { Tokenizer as Engine } from '@huggingface/tokenizers';
import type { PlacedToken } from './aligned-encoder.ts';

/** An encoded text. All lists are as long as `ids`. */
export interface Encoding {
  readonly ids: number[];
  /** The tokens as the vocabulary spells them. */
  readonly tokens: string[];
  /**
   * The part of the text that each token stands for, `[start, end)` in UTF-16 units of the original text (for tokens of
   * the second text of a pair, of that text). A character that several tokens share is in the range of each; `[0, 0]` for
   * tokens that were added around the text.
   *
   * @throws for a kind of model whose tokens can't be placed (a plain list of words, or a continuing_subword_suffix).
   */
  readonly offsets: [number, number][];
  /**
   * Which word each token is of, counted from 0 as the pre-tokenizer splits the text (of a pair, in each text anew); null for
   * tokens that were added around the text.
   *
   * @throws as `offsets`.
   */
  readonly wordIds: (number | null)[];
  /** 1 for tokens that were added around the text, 0 for those of the text. */
  readonly specialTokensMask: number[];
  /** 0 for the first text, 1 for the second of a pair, or as the tokenizer's template has it. */
  readonly typeIds: number[];
}

/** A post-processor: items of one text or two, with names of special tokens around them. */
type PostProcessor = NonNullable<Engine['post_processor']>;
type Processed<T> = { tokens: (T | string)[]; token_type_ids?: number[] };

/** Items of a text or two with names of special tokens between them, and the type of each where a template has one. */
export interface Arranged<T> {
  readonly items: (T | string)[];
  readonly typeIds: readonly number[] | null;
}

/** Puts special tokens around the items of a text or two; the first list itself where there is nothing to put. */
export function postProcess<T>(
  processor: PostProcessor | null,
  first: T[],
  second: T[] | null,
  addSpecialTokens: boolean,
): Arranged<T> {
  if (!processor || addsNothing(processor.config as Step)) {
    if (!second) return { items: first, typeIds: null };
    return { items: first.concat(second), typeIds: [...first.map(() => 0), ...second.map(() => 1)] };
  }
  // The library's post-processors only arrange what they are given.
  const run = processor.post_process.bind(processor) as unknown as (
    a: readonly T[],
    b: readonly T[] | null,
    add: boolean,
  ) => Processed<T>;
  const { tokens, token_type_ids: typeIds } = run(first, second, addSpecialTokens);
  return { items: tokens, typeIds: typeIds ?? null };
}

/** How much of two texts to keep so that together they have no more than `room` items: the longer one is cut first. */
export function lengthsWithin(room: number, first: number, second: number): [number, number] {
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second);
  const half = Math.floor(room / 2);
  const [less, more] = 2 * shorter <= room ? [shorter, room - shorter] : [half, room - half];
  return first > second ? [more, less] : [less, more];
}

interface Step {
  readonly type?: string;
  readonly processors?: readonly Step[];
  readonly trim_offsets?: boolean;
}
const addsNothing = ({ type, processors }: Step): boolean =>
  type === 'ByteLevel' || (type === 'Sequence' && (processors ?? []).every(addsNothing));

/** True where the post-processor leaves the spaces at the ends of a token out of its offsets. */
export function trimsOffsets(step: unknown): boolean {
  const { type, processors, trim_offsets: trims } = (step ?? {}) as Step;
  if (type === 'Sequence') return (processors ?? []).some(trimsOffsets);
  return (type === 'ByteLevel' || type === 'RobertaProcessing') && (trims ?? true);
}

/** A range without the spaces at its ends. */
export function trimSpaces(text: string, { start, end, ...rest }: PlacedToken): PlacedToken {
  while (start < end && text[start] === ' ') start++;
  while (end > start && text[end - 1] === ' ') end--;
  return { ...rest, start, end };
}
