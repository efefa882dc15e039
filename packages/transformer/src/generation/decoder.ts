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
  /** Appends one token to each row; returns the logits of the token after it, valid until the next call. */
  step(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array>;
  /** Row i goes on from what was row `order[i]`; the number of rows may change. */
  reorder(order: readonly number[]): void;
  /** Frees the engine's memory. */
  dispose(): Promise<void>;
}
