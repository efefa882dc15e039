// Token sequences to train on: which windows make the batch of a step is a pure function of the seed and the step.
import { random, streamSeed } from '@brickwork/nn';
import type { Batch } from './step.ts';

/** Tokens of the training part and of the validation part, and how many characters the latter stands for. */
export interface TokenData {
  readonly train: Uint16Array | Int32Array;
  readonly validation: Uint16Array | Int32Array;
  /** Characters of validation text per token: divides a loss by token into one by character. */
  readonly charactersPerToken: number;
}

/** What turns text into ids. */
export interface Encoder {
  encode(text: string): { readonly ids: ArrayLike<number> };
}

/**
 * Encodes a text whose last part, a `validation` share of its characters, is held out.
 *
 * @throws where the text is empty.
 */
export function encodeText(text: string, encoder: Encoder, validation = 0.1): TokenData {
  if (!text.length) throw new Error('corpus: the text is empty; it needs more tokens than the context is long');
  if (!(validation >= 0 && validation < 1))
    throw new Error(`corpus: the validation share is ${validation}; needs 0 or more and less than 1`);
  const cut = Math.floor(text.length * (1 - validation));
  const held = text.slice(cut);
  const ids = (part: string): Int32Array => Int32Array.from(part ? encoder.encode(part).ids : []);
  const [train, val] = [ids(text.slice(0, cut)), ids(held)];
  return { train, validation: val, charactersPerToken: val.length ? held.length / val.length : 1 };
}

function window(tokens: ArrayLike<number>, begin: number, T: number, batch: Batch, row: number): void {
  for (let t = 0; t < T; t++) {
    batch.ids[row * T + t] = BigInt(tokens[begin + t]!);
    batch.labels[row * T + t] = BigInt(tokens[begin + t + 1]!);
  }
}
const empty = (B: number, T: number): Batch => ({ ids: new BigInt64Array(B * T), labels: new BigInt64Array(B * T) });

/** The batch of a step: B windows of T tokens at random places (as nanoGPT draws them), with each next token as label. */
export function randomBatch(
  tokens: ArrayLike<number>,
  { seed, step, B, T }: { seed: number; step: number; B: number; T: number },
): Batch {
  const places = tokens.length - T;
  if (places < 1)
    throw new Error(
      `corpus: ${tokens.length} tokens; a context of ${T} needs ${T + 1} or more: use more text or a shorter context`,
    );
  const draw = random(streamSeed(seed, `batch/${step}`));
  const batch = empty(B, T);
  for (let row = 0; row < B; row++) window(tokens, draw.integer(places), T, batch, row);
  return batch;
}

/** The whole sequence in windows one after another, B at a time; the last batch is filled with labels of -100. */
export function* allBatches(
  tokens: ArrayLike<number>,
  B: number,
  T: number,
): Generator<{ batch: Batch; count: number }> {
  for (let at = 0; at + 1 < tokens.length; at += B * T) {
    const batch = empty(B, T);
    batch.labels.fill(-100n);
    const count = Math.min(B * T, tokens.length - 1 - at);
    for (let i = 0; i < count; i++) {
      batch.ids[i] = BigInt(tokens[at + i]!);
      batch.labels[i] = BigInt(tokens[at + i + 1]!);
    }
    yield { batch, count };
  }
}

/** Every id is one of the vocabulary's. @throws naming the first that isn't. */
export function checkIds(tokens: ArrayLike<number>, vocabularySize: number): void {
  for (let i = 0; i < tokens.length; i++)
    if (!(tokens[i]! >= 0 && tokens[i]! < vocabularySize))
      throw new Error(
        `corpus: id ${tokens[i]} at position ${i} is outside the vocabulary of ${vocabularySize}; is this the model's own tokenizer?`,
      );
}
