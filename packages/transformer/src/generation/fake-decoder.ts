// A decoder for tests: its logits are a hash of a row's whole history, so that any mix-up of rows or tokens changes them.
import type { Decoder } from './decoder.ts';

export interface FakeDecoderOptions {
  readonly vocabularySize?: number;
  readonly contextLength?: number;
  /** Overrides the hash: logits (V) after a history. */
  readonly logits?: (history: readonly number[]) => ArrayLike<number>;
  /** Called before each pass with how many rows it has. */
  readonly onPass?: (rows: number) => void;
}

/** Logits of about -4 to 4 that depend on every token of the history and its place. */
export function hashLogits(history: readonly number[], vocabularySize: number): Float32Array {
  let hash = 0x811c9dc5;
  for (const id of history) hash = Math.imul(hash ^ (id + 1), 0x01000193) ^ (hash >>> 15);
  return Float32Array.from({ length: vocabularySize }, (_, id) => {
    let h = Math.imul(hash ^ Math.imul(id + 1, 0x9e3779b1), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (((h ^ (h >>> 16)) >>> 0) / 2 ** 32) * 8 - 4;
  });
}

/** Keeps to the contract strictly: refuses misuse, and spoils the logits it returned before on every call. */
export class FakeDecoder implements Decoder {
  readonly vocabularySize: number;
  readonly contextLength: number;
  /** Rows of each pass, the prompts' pass first. */
  readonly passes: number[] = [];
  reorders = 0;
  #rows: number[][] = [];
  #given = new Float32Array(0);
  readonly #logits: (history: readonly number[]) => ArrayLike<number>;
  readonly #onPass: (rows: number) => void;

  constructor({ vocabularySize = 16, contextLength = 64, logits, onPass = () => {} }: FakeDecoderOptions = {}) {
    this.vocabularySize = vocabularySize;
    this.contextLength = contextLength;
    this.#logits = logits ?? ((history) => hashLogits(history, vocabularySize));
    this.#onPass = onPass;
  }

  async prefill(prompts: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array> {
    if (!prompts.length || prompts.some((prompt) => !prompt.length)) throw new Error('fake decoder: empty prompt');
    this.#rows = prompts.map((prompt) => [...prompt]);
    return this.#pass(signal);
  }

  async step(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    if (!ids.length || ids.length !== this.#rows.length)
      throw new Error(`fake decoder: ${ids.length} tokens for ${this.#rows.length} rows`);
    ids.forEach((id, row) => this.#rows[row]!.push(id));
    return this.#pass(signal);
  }

  async stepMany(ids: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array> {
    const n = ids[0]!.length;
    if (ids.length !== this.#rows.length || !n || ids.some((own) => own.length !== n))
      throw new Error(`fake decoder: ${ids.map((own) => own.length).join()} tokens for ${this.#rows.length} rows`);
    const V = this.vocabularySize;
    const all = new Float32Array(ids.length * n * V);
    for (let t = 0; t < n; t++) {
      const logits = await this.step(
        ids.map((own) => own[t]!),
        signal,
      );
      for (let row = 0; row < ids.length; row++) all.set(logits.subarray(row * V, (row + 1) * V), (row * n + t) * V);
    }
    this.passes.splice(-n, n, ids.length);
    return (this.#given = all);
  }

  truncate(lengths: readonly number[]): void {
    this.#rows = this.#rows.map((row, i) => {
      if (!(lengths[i]! > 0 && lengths[i]! <= row.length))
        throw new Error(`fake decoder: row ${i} cut to ${lengths[i]}`);
      return row.slice(0, lengths[i]);
    });
  }

  /** States of three numbers that depend on every token before. */
  hiddenStates(row: number): Float32Array[] {
    return this.#rows[row]!.map((_, t) => hashLogits(this.#rows[row]!.slice(0, t + 1), 3));
  }

  reorder(order: readonly number[]): void {
    this.reorders++;
    this.#rows = order.map((row) => {
      const from = this.#rows[row];
      if (!from) throw new Error(`fake decoder: no row ${row} of ${this.#rows.length}`);
      return [...from];
    });
  }

  async dispose(): Promise<void> {
    this.#rows = [];
  }

  async #pass(signal?: AbortSignal): Promise<Float32Array> {
    this.#given.fill(NaN);
    signal?.throwIfAborted();
    this.#onPass(this.#rows.length);
    await Promise.resolve();
    this.passes.push(this.#rows.length);
    const V = this.vocabularySize;
    for (const row of this.#rows) {
      if (row.length > this.contextLength) throw new Error('fake decoder: the context is full');
      if (row.some((id) => !(id >= 0 && id < V))) throw new Error('fake decoder: id outside the vocabulary');
    }
    this.#given = new Float32Array(this.#rows.length * V);
    this.#rows.forEach((row, i) => this.#given.set(this.#logits(row), i * V));
    return this.#given;
  }
}
