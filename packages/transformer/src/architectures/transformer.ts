// The Transformer (Vaswani et al., 2017, "Attention Is All You Need"): an encoder reads a sentence, a decoder writes its
// translation. Nothing but attention, position by position layers, and sines that say where each token stands.
//
// config.json of `model_type: "transformer"` names the paper's letters: d_model, num_layers N, num_heads h, d_ff, dropout
// P_drop; see TransformerConfig. The paper's base model is what the defaults give.
import { gather, matmul, mul, range, sizeOf, type Tensor } from '@brickwork/graph';
import {
  dropout,
  Embedding,
  LayerNorm,
  Linear,
  linearCrossEntropy,
  normal,
  parameter,
  relu,
  xavier,
} from '@brickwork/nn';
import type { Context, Network, NetworkInput, Outputs, Parameter } from '@brickwork/nn';
import type { Architecture, Config } from '../architecture.ts';
import { attention, attentionWeights, type AttentionOutput, type Past } from '../attention.ts';
import { checkIds } from '../check-ids.ts';
import { readConfig } from '../config.ts';
import type { Encoded } from '../heads/encoder-outputs.ts';
import { causalMask, paddingMask } from '../mask.ts';
import { sinusoidalPositions } from '../positions.ts';
import { seq2seqInputs, seq2seqOutputs, targetsOf } from '../seq2seq-outputs.ts';
import type { DecodeOptions, Decoded, Memory, Seq2Seq } from '../seq2seq.ts';
import { specialId } from '../special-id.ts';
import { throughDecoder, throughEncoder, type DecoderLayerOutput, type EncoderLayerOutput } from '../through-layers.ts';

/** The fields of config.json. Defaults are the paper's base model. */
export interface TransformerConfig {
  /** Tokens of targets, and of sources unless `source_vocab_size` says otherwise (default 37000). */
  readonly vocab_size: number;
  /** Tokens of sources where they have a vocabulary of their own (default null: the same). Not with tied embeddings. */
  readonly source_vocab_size: number | null;
  /** Width of every layer's input and output (default 512). */
  readonly d_model: number;
  /** Layers of the encoder (default 6). */
  readonly num_layers: number;
  /** Layers of the decoder (default null: as many as the encoder's). */
  readonly num_decoder_layers: number | null;
  /** Attention heads, each d_model / num_heads wide (default 8). */
  readonly num_heads: number;
  /** Width inside the feed-forward layers (default 2048). */
  readonly d_ff: number;
  /** Probability of dropout on every sublayer's output and on the embeddings (default 0.1). */
  readonly dropout: number;
  /** Probability of dropout on attention's weights (default 0, as in the paper). */
  readonly attention_dropout: number;
  /** Most tokens of a source or target (default 1024); the sines themselves have no end. */
  readonly max_position_embeddings: number;
  /** Whether attention's four projections add a bias (default false, as in the paper). */
  readonly attention_bias: boolean;
  /** One table for sources, targets and the head (section 3.4; default true). Otherwise each has its own. */
  readonly tie_word_embeddings: boolean;
  readonly layer_norm_epsilon: number;
  /** What fills up shorter labels (default 0). */
  readonly pad_token_id: number | null;
  /** What a target starts with (default 1), and what ends it (default 2). */
  readonly decoder_start_token_id: number | null;
  readonly eos_token_id: number | null;
}
const defaults = {
  vocab_size: 37000,
  source_vocab_size: null as number | null,
  d_model: 512,
  num_layers: 6,
  num_decoder_layers: null as number | null,
  num_heads: 8,
  d_ff: 2048,
  dropout: 0.1,
  attention_dropout: 0,
  max_position_embeddings: 1024,
  attention_bias: false,
  tie_word_embeddings: true,
  layer_norm_epsilon: 1e-5,
};

function readTransformer(config: Config): TransformerConfig {
  const c = readConfig('transformer', config, defaults);
  if (c.d_model % c.num_heads || c.d_model % 2)
    throw new Error(
      `transformer config: d_model ${c.d_model} needs to be even and to divide into ${c.num_heads} heads (num_heads)`,
    );
  if (c.tie_word_embeddings && c.source_vocab_size !== null && c.source_vocab_size !== c.vocab_size)
    throw new Error(
      `transformer config: source_vocab_size is ${c.source_vocab_size} and vocab_size ${c.vocab_size}, but one table serves both (tie_word_embeddings: true); needs equal sizes, or false`,
    );
  const id = (field: string, standard: number): number | null =>
    specialId('transformer', config, field, { standard, vocabulary: c.vocab_size });
  return {
    ...c,
    pad_token_id: id('pad_token_id', 0),
    decoder_start_token_id: id('decoder_start_token_id', 1),
    eos_token_id: id('eos_token_id', 2),
  };
}

/** What one attention is given: what is added to its scores, and earlier keys and values. */
interface Look {
  readonly mask: Tensor | null;
  readonly past?: Past | null;
}

// Section 3.2.2: Concat(head_1, …, head_h) W^O, head_i = softmax(q_i k_i' / √d_k) v_i.
class MultiHeadAttention {
  readonly q_proj: Linear;
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly out_proj: Linear;
  readonly #heads: number;
  readonly #dropout: number;
  constructor(c: TransformerConfig) {
    const projection = (): Linear => new Linear(c.d_model, c.d_model, { bias: c.attention_bias, weight: xavier() });
    this.#heads = c.num_heads;
    this.#dropout = c.attention_dropout;
    this.q_proj = projection();
    this.k_proj = projection();
    this.v_proj = projection();
    this.out_proj = projection();
  }
  // (B, T, C) to (B, H, T, D).
  #split(x: Tensor): Tensor {
    const [B, T, C] = x.shape as [number, number, number];
    return x.reshape([B, T, this.#heads, C / this.#heads]).permute([0, 2, 1, 3]);
  }
  /** Keys and values of a sequence (B, S, C). */
  remember(x: Tensor, ctx: Context): Past {
    return { key: this.#split(this.k_proj.forward(x, ctx)), value: this.#split(this.v_proj.forward(x, ctx)) };
  }
  forward(x: Tensor, { key, value }: Past, ctx: Context, { mask, past = null }: Look): AttentionOutput {
    const q = this.#split(this.q_proj.forward(x, ctx)); // (B, H, T, D)
    const y = attention(q, key, value, ctx, { mask, dropout: this.#dropout, past });
    const joined = y.permute([0, 2, 1, 3]).reshape(x.shape); // (B, T, C)
    const weights = (): Tensor => attentionWeights(q, key, { mask, past });
    return { y: this.out_proj.forward(joined, ctx), present: { key, value }, weights };
  }
}

// Section 3.3: max(0, x W_1 + b_1) W_2 + b_2.
class FeedForward {
  readonly fc1: Linear;
  readonly fc2: Linear;
  constructor(c: TransformerConfig) {
    this.fc1 = new Linear(c.d_model, c.d_ff, { weight: xavier() });
    this.fc2 = new Linear(c.d_ff, c.d_model, { weight: xavier() });
  }
  forward(x: Tensor, ctx: Context): Tensor {
    return this.fc2.forward(relu(this.fc1.forward(x, ctx)), ctx);
  }
}

// Section 3.1: every sublayer gives LayerNorm(x + Dropout(Sublayer(x))).
class EncoderLayer {
  readonly self_attn: MultiHeadAttention;
  readonly self_attn_norm: LayerNorm;
  readonly feed_forward: FeedForward;
  readonly feed_forward_norm: LayerNorm;
  readonly #dropout: number;
  constructor(c: TransformerConfig) {
    const norm = (): LayerNorm => new LayerNorm(c.d_model, { epsilon: c.layer_norm_epsilon });
    this.#dropout = c.dropout;
    this.self_attn = new MultiHeadAttention(c);
    this.self_attn_norm = norm();
    this.feed_forward = new FeedForward(c);
    this.feed_forward_norm = norm();
  }
  forward(x: Tensor, ctx: Context, mask: Tensor | null): EncoderLayerOutput {
    const own = this.self_attn.forward(x, this.self_attn.remember(x, ctx), ctx, { mask });
    const a = this.self_attn_norm.forward(x.add(dropout(own.y, this.#dropout, ctx)));
    const b = this.feed_forward_norm.forward(a.add(dropout(this.feed_forward.forward(a, ctx), this.#dropout, ctx)));
    return { x: b, weights: own.weights };
  }
}

class DecoderLayer {
  readonly self_attn: MultiHeadAttention;
  readonly self_attn_norm: LayerNorm;
  readonly cross_attn: MultiHeadAttention;
  readonly cross_attn_norm: LayerNorm;
  readonly feed_forward: FeedForward;
  readonly feed_forward_norm: LayerNorm;
  readonly #dropout: number;
  constructor(c: TransformerConfig) {
    const norm = (): LayerNorm => new LayerNorm(c.d_model, { epsilon: c.layer_norm_epsilon });
    this.#dropout = c.dropout;
    this.self_attn = new MultiHeadAttention(c);
    this.self_attn_norm = norm();
    this.cross_attn = new MultiHeadAttention(c);
    this.cross_attn_norm = norm();
    this.feed_forward = new FeedForward(c);
    this.feed_forward_norm = norm();
  }
  forward(x: Tensor, ctx: Context, self: Look, memory: Past, crossMask: Tensor | null): DecoderLayerOutput {
    const own = this.self_attn.forward(x, this.self_attn.remember(x, ctx), ctx, self);
    const a = this.self_attn_norm.forward(x.add(dropout(own.y, this.#dropout, ctx)));
    const across = this.cross_attn.forward(a, memory, ctx, { mask: crossMask });
    const b = this.cross_attn_norm.forward(a.add(dropout(across.y, this.#dropout, ctx)));
    const y = this.feed_forward_norm.forward(b.add(dropout(this.feed_forward.forward(b, ctx), this.#dropout, ctx)));
    return { x: y, present: own.present, weights: own.weights, crossWeights: across.weights };
  }
}

class Stack<Layer> {
  /** A table of its own, where the two halves and the head share none. */
  readonly embed_tokens: Embedding | null;
  readonly layers: readonly Layer[];
  constructor(embedding: Embedding | null, layers: number, build: () => Layer) {
    this.embed_tokens = embedding;
    this.layers = Array.from({ length: layers }, build);
  }
}

/** The Transformer of 2017 with its head. */
export class TransformerForConditionalGeneration implements Network, Seq2Seq {
  readonly config: TransformerConfig;
  /** The table of sources, targets and the head; null where each has its own. */
  readonly shared: Embedding | null;
  readonly encoder: Stack<EncoderLayer>;
  readonly decoder: Stack<DecoderLayer>;
  readonly lm_head: { readonly weight: Parameter };
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  constructor(config: Config) {
    const c = readTransformer(config);
    const { vocab_size: V, d_model: C, tie_word_embeddings: tied } = c;
    // Multiplied by √d_model they are as large as the sines.
    const table = (count: number): Embedding => new Embedding(count, C, normal(C ** -0.5));
    this.config = c;
    this.inputs = seq2seqInputs(this.sourceVocabulary, V);
    this.shared = tied ? table(V) : null;
    this.encoder = new Stack(tied ? null : table(this.sourceVocabulary), c.num_layers, () => new EncoderLayer(c));
    this.decoder = new Stack(tied ? null : table(V), this.layers, () => new DecoderLayer(c));
    this.lm_head = { weight: this.shared?.weight ?? parameter([V, C], xavier()) };
  }
  get sourceVocabulary(): number {
    return this.config.source_vocab_size ?? this.config.vocab_size;
  }
  get vocabularySize(): number {
    return this.config.vocab_size;
  }
  get startId(): number | null {
    return this.config.decoder_start_token_id;
  }
  get sourceLength(): number {
    return this.config.max_position_embeddings;
  }
  get contextLength(): number {
    return this.config.max_position_embeddings;
  }
  get longest(): Readonly<Record<string, number>> {
    return { S: this.sourceLength, T: this.contextLength };
  }
  get layers(): number {
    return this.config.num_decoder_layers ?? this.config.num_layers;
  }
  get cacheHeads(): number {
    return this.config.num_heads;
  }
  get headWidth(): number {
    return this.config.d_model / this.config.num_heads;
  }

  // Sections 3.4 and 3.5: embeddings times √d_model, plus the sines of their positions.
  #embed(own: Embedding | null, ids: Tensor, ctx: Context, positions?: Tensor): Tensor {
    const { d_model: C, max_position_embeddings: most, dropout: p } = this.config;
    checkIds('transformer', ids, most);
    const T = ids.shape[1]!;
    const waves =
      positions || typeof T === 'string'
        ? gather(sinusoidalPositions(most, C), positions ?? range(sizeOf(ids, 1), T)) // (B, T, C), or (T, C)
        : sinusoidalPositions(T, C);
    return dropout(mul((own ?? this.shared!).forward(ids), Math.sqrt(C)).add(waves), p, ctx);
  }

  encode(ids: Tensor, ctx: Context, attentionMask?: Tensor): Encoded {
    const mask = attentionMask ? paddingMask(attentionMask) : null;
    const x = this.#embed(this.encoder.embed_tokens, ids, ctx); // (B, S, C)
    return throughEncoder(x, this.encoder.layers, (layer, input) => layer.forward(input, ctx, mask));
  }

  remember(encoded: Tensor, ctx: Context): readonly Past[] {
    return this.decoder.layers.map((layer) => layer.cross_attn.remember(encoded, ctx));
  }

  decode(ids: Tensor, ctx: Context, memory: Memory, o: DecodeOptions = {}): Decoded {
    let mask = o.mask ?? causalMask(ids, 1);
    if (o.attentionMask) mask = mask.add(paddingMask(o.attentionMask));
    const x = this.#embed(this.decoder.embed_tokens, ids, ctx, o.positions); // (B, T, C)
    return throughDecoder(x, this.decoder.layers, (layer, input, i) =>
      layer.forward(input, ctx, { mask, past: o.past?.[i] ?? null }, memory.layers[i]!, memory.mask),
    );
  }

  head(hidden: Tensor): Tensor {
    return matmul(hidden, this.lm_head.weight, { transB: true }); // (…, V)
  }

  loss(hidden: Tensor, labels: Tensor): Tensor {
    const rows = hidden.reshape([-1, hidden.shape[2]!]); // (N, C)
    return linearCrossEntropy(rows, this.lm_head.weight, labels.reshape([-1])).loss;
  }

  trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    const { decoder_start_token_id: start, pad_token_id: pad } = this.config;
    const { labels, decoder_input_ids: given } = inputs;
    const targets = given ?? (labels && targetsOf(labels, 'transformer', { start, pad }));
    return seq2seqOutputs(this, inputs, targets, ctx);
  }
}

/** The Transformer of 2017; `architectures: ["TransformerForConditionalGeneration"]`. */
export const transformer: Architecture = {
  classes: { TransformerForConditionalGeneration: (config) => new TransformerForConditionalGeneration(config) },
  prefix: '',
  tied: ['encoder.embed_tokens.weight', 'decoder.embed_tokens.weight', 'lm_head.weight'],
};
