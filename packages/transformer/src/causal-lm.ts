// What every decoder-only language model here offers: the same bricks traced for training, scoring or generation.
import type { Tensor } from '@brickwork/graph';
import type { Context } from '@brickwork/nn';
import type { Past } from './attention.ts';

/** How one pass differs from the plain one. */
export interface ForwardOptions {
  /** int64 (B, T); counted from 0 unless given. */
  readonly positions?: Tensor;
  /** Added to the scores, broadcast to (B, H, T, P+T); the causal mask unless given. */
  readonly mask?: Tensor;
  /** int64 (B, T), 1 where there is a token and 0 where there is padding. */
  readonly attentionMask?: Tensor;
  /** Keys and values of earlier tokens, a pair per layer. */
  readonly past?: readonly Past[];
}

/** What one pass gives. */
export interface Hidden {
  /** After the last norm, (B, T, C). */
  readonly last: Tensor;
  /** The embeddings and the output of every layer, (B, T, C) each. */
  readonly all: readonly Tensor[];
  /** New keys and values of every layer, (B, H, T, D) each. */
  readonly present: readonly Past[];
}

/** A decoder-only language model. */
export interface CausalLM {
  readonly config: { readonly vocab_size: number };
  /** How many positions it can see. */
  readonly contextLength: number;
  readonly layers: number;
  /** How many positions back a token sees, itself included; all where null or left out. */
  readonly slidingWindow?: number | null;
  /** Heads of keys and values, and the width of each. */
  readonly cacheHeads: number;
  readonly headWidth: number;
  /** ids int64 (B, T). */
  forward(ids: Tensor, ctx: Context, o?: ForwardOptions): Hidden;
  /** Logits for hidden states (N, C) or (B, T, C): (…, V). */
  head(hidden: Tensor): Tensor;
  /** Mean cross-entropy of `labels` (B, T) in nats; position t predicts label t+1, and labels of -100 are left out. */
  loss(ids: Tensor, labels: Tensor, ctx: Context, o?: ForwardOptions & { shift?: boolean }): Tensor;
}
