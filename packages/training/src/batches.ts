// Windows of a token sequence, put together to batches: which windows make a batch is a pure function of the seed and
// the batch's number, so that a resumed run sees the batches that it would have seen.
import { random, streamSeed } from '@brickwork/nn';
import { permutation } from './permutation.ts';
import type { Counted } from './train-data.ts';
import type { Batch } from './step.ts';
import type { TokenSource } from './token-source.ts';

/**
 * How windows are drawn: `random` places, with repetition, as nanoGPT does; or `shuffle`, every block once per epoch in
 * a new order, with the borders between blocks moved by a random offset each epoch.
 */
export type Sampling = 'random' | 'shuffle';

/** Which batch. */
export interface BatchOptions {
  readonly seed: number;
  /** Counted from 0. */
  readonly number: number;
  readonly B: number;
  readonly T: number;
  readonly sampling?: Sampling;
}

// Ids as the low halves of int64: all machines that the engine runs on are little-endian.
class Filler {
  readonly batch: Batch;
  readonly #ids: Int32Array;
  readonly #labels: Int32Array;
  readonly #T: number;
  readonly #window: Int32Array;
  constructor(B: number, T: number) {
    this.batch = { ids: new BigInt64Array(B * T), labels: new BigInt64Array(B * T) };
    this.#ids = new Int32Array(this.batch.ids.buffer);
    this.#labels = new Int32Array(this.batch.labels.buffer);
    this.#T = T;
    this.#window = new Int32Array(T + 1);
  }
  /** Row `row` from up to T+1 ids at a position; the rest is left out of the loss. */
  fill(row: number, tokens: TokenSource, begin: number): number {
    const count = Math.min(this.#T, tokens.length - 1 - begin);
    const window = count < this.#T ? this.#window.subarray(0, count + 1) : this.#window;
    tokens.read(begin, window);
    const at = row * this.#T;
    for (let t = 0; t < count; t++) {
      this.#ids[2 * (at + t)] = window[t]!;
      this.#labels[2 * (at + t)] = window[t + 1]!;
      this.#labels[2 * (at + t) + 1] = 0; // was -1 where the label was -100
    }
    if (count < this.#T) this.batch.labels.fill(-100n, at + count, at + this.#T);
    return count;
  }
}

/** @throws where the sequence is shorter than one window. */
export function checkLength(tokens: TokenSource, T: number): void {
  if (tokens.length < T + 1)
    throw new Error(
      `corpus: ${tokens.length} tokens to train on; a context of ${T} needs ${T + 1} or more: use more text or a shorter context`,
    );
}

/** B windows of T tokens, with each next token as label. */
export function batchAt(
  tokens: TokenSource,
  { seed, number, B, T, sampling = 'random' }: BatchOptions,
): Counted<Batch> {
  checkLength(tokens, T);
  const filler = new Filler(B, T);
  const begin = sampling === 'random' ? randomPlaces(tokens.length, T, seed, number) : blocks(tokens.length, T, seed);
  for (let row = 0; row < B; row++) filler.fill(row, tokens, begin(number * B + row));
  return { batch: filler.batch, count: B * T };
}

function randomPlaces(length: number, T: number, seed: number, number: number): () => number {
  const draw = random(streamSeed(seed, `batch/${number}`));
  return () => draw.integer(length - T);
}

// The i-th block of training: epoch by epoch, each with its own order and its own offset.
function blocks(length: number, T: number, seed: number): (i: number) => number {
  const perEpoch = Math.max(1, Math.floor((length - T) / T));
  const spare = length - 1 - perEpoch * T;
  let epoch = -1;
  let order = (i: number): number => i;
  let offset = 0;
  return (i) => {
    const now = Math.floor(i / perEpoch);
    if (now !== epoch) {
      epoch = now;
      const epochSeed = streamSeed(seed, `epoch/${epoch}`);
      order = permutation(perEpoch, epochSeed);
      offset = random(epochSeed).integer(Math.min(T, spare + 1));
    }
    return offset + order(i % perEpoch) * T;
  };
}

/** The whole sequence in windows one after another, B at a time; the last batch is filled with labels of -100. */
export function* allBatches(tokens: TokenSource, B: number, T: number): Generator<Counted<Batch>> {
  for (let at = 0; at + 1 < tokens.length; at += B * T) {
    const filler = new Filler(B, T);
    filler.batch.labels.fill(-100n);
    let count = 0;
    for (let row = 0; row < B && at + row * T + 1 < tokens.length; row++)
      count += filler.fill(row, tokens, at + row * T);
    yield { batch: filler.batch, count };
  }
}
