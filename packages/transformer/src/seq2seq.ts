// What every encoder-decoder here offers (Sutskever et al., 2014; Vaswani et al., 2017): one network reads a source whole,
// another writes a target token by token and looks at the source through cross-attention.
import type { Tensor } from '@brickwork/graph';
import type { Context, Network } from '@brickwork/nn';
import type { Past } from './attention.ts';
import type { Hidden } from './causal-lm.ts';
import type { Encoded } from './heads/encoder-outputs.ts';

/** The source as the decoder sees it. */
export interface Memory {
  /** Keys and values of cross-attention for each layer of the decoder, (B, H, S, D) each. */
  readonly layers: readonly Past[];
  /** Added to the scores of cross-attention, (B, 1, 1, S); null where every position may be seen. */
  readonly mask: Tensor | null;
}

/** How one pass of the decoder differs from the plain one. */
export interface DecodeOptions {
  /** int64 (B, T); counted from 0 unless given. */
  readonly positions?: Tensor;
  /** Added to the scores of self-attention, broadcast to (B, H, T, P+T); the causal mask unless given. */
  readonly mask?: Tensor;
  /** int64 (B, T), 1 where there is a token and 0 where there is padding. */
  readonly attentionMask?: Tensor;
  /** Keys and values of earlier tokens, a pair per layer. */
  readonly past?: readonly Past[];
}

/** What one pass of the decoder gives. */
export interface Decoded extends Hidden {
  /** Cross-attention's weights of every layer, (B, H, T, S) each; traced when asked for. */
  readonly crossAttentions: readonly (() => Tensor)[];
}

/** Both halves without a head. */
export interface EncoderDecoder {
  /** Most tokens of a source; Infinity where positions are relative. */
  readonly sourceLength: number;
  /** Most tokens of a target, the one that starts it included. */
  readonly contextLength: number;
  /** Of the decoder: its layers, the heads of its keys and values, and the width of each. */
  readonly layers: number;
  readonly cacheHeads: number;
  readonly headWidth: number;
  /** Reads sources, int64 (B, S); `attentionMask` int64 (B, S) is 0 at padding. */
  encode(ids: Tensor, ctx: Context, attentionMask?: Tensor): Encoded;
  /** The keys and values of cross-attention for the encoder's output (B, S, C), computed once for all targets' tokens. */
  remember(encoded: Tensor, ctx: Context): readonly Past[];
  /** Reads targets, int64 (B, T). */
  decode(ids: Tensor, ctx: Context, memory: Memory, o?: DecodeOptions): Decoded;
}

/** An encoder-decoder that writes text. */
export interface Seq2Seq extends Network, EncoderDecoder {
  /** Sizes of the vocabularies of sources and of targets. */
  readonly sourceVocabulary: number;
  readonly vocabularySize: number;
  /** The token that a target starts with; null where config.json doesn't say. */
  readonly startId: number | null;
  /** Logits for hidden states (N, C) or (B, T, C): (…, V). */
  head(hidden: Tensor): Tensor;
  /** Mean cross-entropy in nats of `labels` int64 (B, T) for hidden states (B, T, C); labels of -100 are left out. */
  loss(hidden: Tensor, labels: Tensor): Tensor;
}

/** Whether a network is an encoder-decoder that writes text. */
export const isSeq2Seq = (network: Network): network is Seq2Seq =>
  'head' in network && 'encode' in network && 'decode' in network;
