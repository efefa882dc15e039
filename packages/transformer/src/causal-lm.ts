// What every decoder-only language model here offers: the same bricks traced for training, scoring or generation.
import type { Tensor } from '@brickwork/graph';
import type { Context, Network } from '@brickwork/nn';
import type { Past } from './attention.ts';

/** How one pass differs from the plain one. */
export interface ForwardOptions {
  /** int64 (B, T); counted from 0 unless given. */
  readonly positions?: Tensor;
  /**
   * Added to the scores, broadcast to (B, H, T, P+T), or what makes it for layers that see so many positions back; the
   * causal mask unless given.
   */
  readonly mask?: Tensor | ((window: number | null) => Tensor);
  /** int64 (B, T), 1 where there is a token and 0 where there is padding. */
  readonly attentionMask?: Tensor;
  /**
   * Which of several texts in a row each token is of, int64 (B, T): it sees tokens of the same number alone. Give `positions`
   * with it, counted within each text.
   */
  readonly segments?: Tensor;
  /**
   * How long the text is for each row, int64 (B, 1), or up to each token, (B, T), for rotary positions that depend on it; the
   * longest of all unless given.
   */
  readonly lengths?: Tensor;
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
  /** Attention's weights of every layer, (B, H, T, S) each; traced when asked for. */
  readonly attentions: readonly (() => Tensor)[];
}

/** A decoder-only language model. */
export interface CausalLM extends Network {
  readonly config: { readonly vocab_size: number };
  /** How many positions it can see; Infinity where its positions stretch with the text. */
  readonly contextLength: number;
  readonly layers: number;
  /** How many positions back a token sees in each layer, itself included; all where null. */
  readonly windows: readonly (number | null)[];
  /** Heads of keys and values, and the width of each. */
  readonly cacheHeads: number;
  readonly headWidth: number;
  /** ids int64 (B, T). */
  forward(ids: Tensor, ctx: Context, o?: ForwardOptions): Hidden;
  /** Logits for hidden states (N, C) or (B, T, C): (…, V). */
  head(hidden: Tensor): Tensor;
  /**
   * Mean cross-entropy of `labels` int64 (B, T) in nats for hidden states (B, T, C). Position t predicts label t+1 (label
   * t where `shift` is false), and labels of -100 are left out.
   */
  loss(hidden: Tensor, labels: Tensor, o?: { readonly shift?: boolean }): Tensor;
}

/** Whether a network is a decoder-only language model. */
export const isCausalLM = (network: Network): network is CausalLM =>
  'head' in network && 'forward' in network && 'cacheHeads' in network;
