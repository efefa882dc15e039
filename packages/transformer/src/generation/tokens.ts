// What token-level generation gives out, shared by sampling and beam search.

/**
 * Why a sequence ended: its end token, a stop string, the most tokens asked for or the end of the context, or an abort.
 */
export type FinishReason = 'eos' | 'stop' | 'length' | 'aborted';

/** A token and how probable the model finds it. */
export interface TokenProbability {
  readonly id: number;
  /** Natural logarithm of the probability by the model's own logits, before any processor. */
  readonly logprob: number;
}

/** One generated token. */
export interface GeneratedToken extends TokenProbability {
  /** Which sequence it belongs to: prompt × numReturnSequences + sample. */
  readonly row: number;
  /** 0 for the sequence's first new token. */
  readonly step: number;
  /** Set on the last token of a sequence. */
  readonly finishReason: FinishReason | null;
  /** The most probable tokens at this place, best first: as many as `logprobs` asks for. */
  readonly alternatives: readonly TokenProbability[];
}

/** One generated sequence. */
export interface GeneratedSequence {
  /** prompt × numReturnSequences + sample. */
  readonly row: number;
  /** Index of the prompt. */
  readonly prompt: number;
  /** How many tokens the prompt has. */
  readonly promptLength: number;
  /** The new tokens, an end token included. */
  readonly ids: readonly number[];
  /** Of each of `ids`, by the model's own logits. */
  readonly logprobs: readonly number[];
  readonly finishReason: FinishReason;
  /** What sampling was seeded with, to do it again; null where chance played no part. */
  readonly seed: number | null;
  /** What beams were compared by: sum of log-probabilities / length^lengthPenalty; null without beams. */
  readonly score: number | null;
}
