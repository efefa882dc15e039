// What a sampler is: a function that changes the scores of the next token before one is picked (as in Hugging Face).

/** What a processor may look at. */
export interface LogitsContext {
  /** The row's tokens so far: the prompt, then what was generated. */
  readonly ids: readonly number[];
  /** How many of `ids` are the prompt. */
  readonly promptLength: number;
  /** How many tokens the row can have in all; left out where nothing limits it. */
  readonly maxLength?: number;
  /** What the encoder read; left out where the model has none. */
  readonly encoderIds?: readonly number[];
}

/** Changes the scores of one row in place: (V). A token at -Infinity is never picked. */
export type LogitsProcessor = (logits: Float32Array, context: LogitsContext) => void;
