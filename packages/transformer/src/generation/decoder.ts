// What generation drives: a language model that is given one token at a time and remembers the others.

/** A language model over a batch of rows, each a sequence of its own. */
export interface Decoder {
  readonly vocabularySize: number;
  /** How many tokens a row can hold. */
  readonly contextLength: number;
  /**
   * Starts over with a batch of prompts of any lengths, none empty.
   * @returns logits of the token after each: rows × vocabularySize, row-major.
   */
  prefill(prompts: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array>;
  /** ln Σ exp of each row of the logits that the last call gave. Left out by decoders that don't compute it. */
  readonly normalizers?: Float32Array;
  /** Appends one token to each row; returns the logits of the token after it, valid until the next call. */
  step(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array>;
  /**
   * Adds rows behind those that are there, which stay as they are; returns the logits after each of the new prompts. Left out by
   * decoders that can't.
   */
  join?(prompts: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array>;
  /** Row i goes on from what was row `order[i]`; the number of rows may change. */
  reorder(order: readonly number[]): void;
  /**
   * Appends as many tokens to each row, several at once; returns the logits after each: rows × tokens × vocabularySize, valid
   * until the next call. Left out by decoders that can't.
   */
  stepMany?(ids: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array>;
  /** Forgets all but the first `lengths[row]` tokens of each row. Left out by decoders that can't. */
  truncate?(lengths: readonly number[]): void;
  /**
   * The last layer's hidden state of each token of a row so far, one vector each. Left out by decoders that don't keep them.
   */
  hiddenStates?(row: number): readonly Float32Array[];
  /** Frees the engine's memory. */
  dispose(): Promise<void>;
}
