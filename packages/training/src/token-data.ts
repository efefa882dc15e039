// A text as token ids, its last part held out for validation.
import { createHash } from 'node:crypto';
import { allBatches, batchAt, checkLength, type Sampling } from './batches.ts';
import type { Batch } from './step.ts';
import { memoryTokens, type TokenSource } from './token-source.ts';
import type { ReadyData } from './train-data.ts';

/** Tokens of the training part and of the validation part, and how many characters the latter stands for. */
export interface TokenData {
  readonly train: TokenSource;
  readonly validation: TokenSource;
  /** Characters (Unicode code points) of validation text per token: divides a loss by token into one by character. */
  readonly charactersPerToken: number;
  /** The same for the same tokens, so that a resumed run can tell whether it has its data. */
  readonly fingerprint: string;
}

/** What turns text into ids. */
export interface Encoder {
  encode(text: string, o?: { readonly addSpecialTokens?: boolean }): { readonly ids: ArrayLike<number> };
}

/** Where a text is cut so that a share of its characters is held out: at nanoGPT's `int(n * (1 - validation))`. */
export function trainingCharacters(characters: number, validation: number): number {
  if (!(validation >= 0 && validation < 1))
    throw new Error(`corpus: the validation share is ${validation}; needs 0 or more and less than 1`);
  return Math.floor(characters * (1 - validation));
}

/** Characters of a text, and where in it a number of them ends. A character of two UTF-16 units counts once. */
export function countCharacters(text: string): number {
  let n = text.length;
  for (let i = 0; i + 1 < text.length; i++) if (isPair(text, i)) n--;
  return n;
}
export function indexOfCharacter(text: string, characters: number): number {
  let i = 0;
  for (let n = 0; n < characters && i < text.length; n++) i += isPair(text, i) ? 2 : 1;
  return i;
}
const isPair = (text: string, i: number): boolean =>
  (text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00;

/**
 * Encodes a text in memory whose last part, a `validation` share of its characters, is held out. Both parts are encoded
 * by themselves, without special tokens.
 *
 * @throws where the text is empty.
 */
export function encodeText(text: string, encoder: Encoder, validation = 0.1): TokenData {
  const characters = countCharacters(text);
  if (!characters) throw new Error('corpus: the text is empty; it needs more tokens than the context is long');
  const cut = trainingCharacters(characters, validation);
  const at = indexOfCharacter(text, cut);
  const ids = (part: string): Int32Array =>
    Int32Array.from(part ? encoder.encode(part, { addSpecialTokens: false }).ids : []);
  const [train, held] = [ids(text.slice(0, at)), ids(text.slice(at))];
  return {
    train: memoryTokens(train),
    validation: memoryTokens(held),
    charactersPerToken: held.length ? (characters - cut) / held.length : 1,
    fingerprint: createHash('sha256').update(train).update(`${train.length}`).update(held).digest('hex'),
  };
}

/** Every id is one of the vocabulary's. @throws naming the largest where it isn't. */
export function checkIds(tokens: TokenSource, vocabularySize: number): void {
  if (tokens.maximum >= vocabularySize)
    throw new Error(
      `corpus: id ${tokens.maximum} is outside the vocabulary of ${vocabularySize}; is this the model's own tokenizer?`,
    );
}

/** Next-token prediction over a text: batches of B windows of T tokens. @throws where the text is shorter than one. */
export function nextTokenData(
  data: TokenData,
  { seed, B, T, sampling = 'random' }: { seed: number; B: number; T: number; sampling?: Sampling },
): ReadyData<Batch> {
  checkLength(data.train, T);
  return {
    batch: (number) => batchAt(data.train, { seed, number, B, T, sampling }),
    validation: () => allBatches(data.validation, B, T),
    charactersPerToken: data.charactersPerToken,
  };
}
