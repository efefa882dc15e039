// T5 (Raffel et al., 2020): a pre-norm encoder-decoder without biases, whose positions are learned numbers added to the
// scores. Also its 1.1 and Flan checkpoints (gated feed-forward, a head of its own), mT5, and UMT5.
import { concat, matmul, mul, range, sizeOf, unsqueeze, type Tensor } from '@brickwork/graph';
import { activation, dropout, Embedding, Linear, linearCrossEntropy, normal, parameter, RMSNorm } from '@brickwork/nn';
import type { Activation, Context, Network, NetworkInput, Outputs, Parameter } from '@brickwork/nn';
import type { Architecture, Config } from '../architecture.ts';
import { attention, attentionWeights, type AttentionOutput, type Past } from '../attention.ts';
import { checkIds } from '../check-ids.ts';
import { readConfig } from '../config.ts';
import { encoderOutputs, type Encoded } from '../heads/encoder-outputs.ts';
import { causalMask, paddingMask } from '../mask.ts';
import { relativeBias, relativePositions, type Buckets } from '../relative-buckets.ts';
import { encoderDecoderInputs, encoderDecoderOutputs, seq2seqInputs, seq2seqOutputs } from '../seq2seq-outputs.ts';
import { targetsOf } from '../seq2seq-outputs.ts';
import type { DecodeOptions, Decoded, EncoderDecoder, Memory, Seq2Seq } from '../seq2seq.ts';
import { specialId } from '../special-id.ts';
import { throughDecoder, throughEncoder, type DecoderLayerOutput, type EncoderLayerOutput } from '../through-layers.ts';

/** The fields of config.json that change the computation, with Hugging Face's defaults. */
export interface T5Config {
  readonly vocab_size: number;
  readonly d_model: number;
  /** Width of each head; num_heads · d_kv need not be d_model. */
  readonly d_kv: number;
  readonly d_ff: number;
  readonly num_layers: number;
  /** As many as `num_layers` where null. */
  readonly num_decoder_layers: number | null;
  readonly num_heads: number;
  readonly relative_attention_num_buckets: number;
  readonly relative_attention_max_distance: number;
  readonly dropout_rate: number;
  readonly layer_norm_epsilon: number;
  readonly initializer_factor: number;
  /** An activation's name, or `gated-` and an activation's name; `gated-gelu` means gelu_new. */
  readonly feed_forward_proj: string;
  readonly tie_word_embeddings: boolean;
  /** From feed_forward_proj unless given. */
  readonly dense_act_fn: string;
  readonly is_gated_act: boolean;
  readonly pad_token_id: number | null;
  readonly eos_token_id: number | null;
  readonly decoder_start_token_id: number | null;
}
const defaults = {
  vocab_size: 32128,
  d_model: 512,
  d_kv: 64,
  d_ff: 2048,
  num_layers: 6,
  num_decoder_layers: null as number | null,
  num_heads: 8,
  relative_attention_num_buckets: 32,
  relative_attention_max_distance: 128,
  dropout_rate: 0.1,
  layer_norm_epsilon: 1e-6,
  feed_forward_proj: 'relu',
  tie_word_embeddings: true,
};

/** What the models that grew out of T5 change. */
interface Variant {
  readonly name: string;
  readonly defaults: typeof defaults;
  /** Every layer has a table of relative positions, not only the first. */
  readonly tablePerLayer: boolean;
  /** What targets start with where config.json doesn't say. */
  readonly start: number | null;
}
const t5Variant: Variant = { name: 't5', defaults, tablePerLayer: false, start: null };
const mt5Variant: Variant = {
  name: 'mt5',
  tablePerLayer: false,
  start: 0,
  defaults: {
    ...defaults,
    vocab_size: 250112,
    d_ff: 1024,
    num_layers: 8,
    num_heads: 6,
    feed_forward_proj: 'gated-gelu',
    tie_word_embeddings: false,
  },
};
const umt5Variant: Variant = {
  ...mt5Variant,
  name: 'umt5',
  tablePerLayer: true,
  defaults: { ...mt5Variant.defaults, tie_word_embeddings: true },
};

function readT5(config: Config, { name, defaults: standard, start }: Variant): T5Config {
  const c = readConfig(name, config, standard, {
    aliases: {
      d_model: 'hidden_size',
      d_kv: 'head_dim',
      num_layers: 'num_hidden_layers',
      num_heads: 'num_attention_heads',
    },
    refuse: { tie_encoder_decoder: true, is_decoder: true, scalable_attention: true },
  });
  const [kind, gatedBy, ...more] = c.feed_forward_proj.split('-');
  if (more.length || (gatedBy !== undefined && kind !== 'gated') || !kind || gatedBy === '')
    throw new Error(
      `${name} config: feed_forward_proj is '${c.feed_forward_proj}'; needs an activation's name such as 'relu', or 'gated-' and such a name`,
    );
  // As the config was written: the fields that follow from feed_forward_proj have the last word where they are stored.
  const { dense_act_fn: stored, is_gated_act: gated, initializer_factor: factor } = config;
  const follows = c.feed_forward_proj === 'gated-gelu' ? 'gelu_new' : (gatedBy ?? kind);
  const buckets = c.relative_attention_num_buckets;
  const far = c.relative_attention_max_distance;
  if (buckets < 4 || far <= Math.floor(buckets / 2))
    throw new Error(
      `${name} config: relative_attention_num_buckets is ${buckets} and relative_attention_max_distance ${far}; needs 4 or more, and a distance above half of them`,
    );
  const vocabulary = c.vocab_size;
  return {
    ...c,
    dense_act_fn: typeof stored === 'string' ? stored : follows,
    is_gated_act: typeof gated === 'boolean' ? gated : gatedBy !== undefined,
    initializer_factor: typeof factor === 'number' ? factor : 1,
    pad_token_id: specialId(name, config, 'pad_token_id', { standard: 0, vocabulary }),
    eos_token_id: specialId(name, config, 'eos_token_id', { standard: 1, vocabulary }),
    decoder_start_token_id: specialId(name, config, 'decoder_start_token_id', { standard: start, vocabulary }),
  };
}

/** What one attention is given: what is added to its scores, and earlier keys and values. */
interface Look {
  readonly mask: Tensor | null;
  readonly past?: Past | null;
}

class Attention {
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly o: Linear;
  readonly relative_attention_bias: Embedding | null;
  readonly #c: T5Config;
  constructor(c: T5Config, hasTable: boolean) {
    const { d_model: C, d_kv: D, num_heads: H, initializer_factor: factor } = c;
    const begin = (width: number): { bias: false; weight: ReturnType<typeof normal> } => ({
      bias: false,
      weight: normal(factor * width ** -0.5),
    });
    this.#c = c;
    this.q = new Linear(C, H * D, begin(C * D));
    this.k = new Linear(C, H * D, begin(C));
    this.v = new Linear(C, H * D, begin(C));
    this.o = new Linear(H * D, C, begin(H * D));
    this.relative_attention_bias = hasTable
      ? new Embedding(c.relative_attention_num_buckets, H, normal(factor * C ** -0.5))
      : null;
  }
  // (B, T, H D) to (B, H, T, D).
  #heads(x: Tensor): Tensor {
    const { num_heads: H, d_kv: D } = this.#c;
    return x.reshape([x.shape[0]!, x.shape[1]!, H, D]).permute([0, 2, 1, 3]);
  }
  /** Keys and values of a sequence (B, S, C). */
  remember(x: Tensor, ctx: Context): Past {
    return { key: this.#heads(this.k.forward(x, ctx)), value: this.#heads(this.v.forward(x, ctx)) };
  }
  /** Scores are not scaled: the queries' weights begin smaller instead. */
  forward(x: Tensor, { key, value }: Past, ctx: Context, { mask, past = null }: Look): AttentionOutput {
    const { num_heads: H, d_kv: D, dropout_rate } = this.#c;
    const q = this.#heads(this.q.forward(x, ctx)); // (B, H, T, D)
    const y = attention(q, key, value, ctx, { mask, scale: 1, dropout: dropout_rate, past });
    const joined = y.permute([0, 2, 1, 3]).reshape([x.shape[0]!, x.shape[1]!, H * D]); // (B, T, H D)
    const weights = (): Tensor => attentionWeights(q, key, { mask, scale: 1, past });
    return { y: dropout(this.o.forward(joined, ctx), dropout_rate, ctx), present: { key, value }, weights };
  }
}

class SelfAttentionLayer {
  readonly SelfAttention: Attention;
  readonly layer_norm: RMSNorm;
  constructor(c: T5Config, hasTable: boolean) {
    this.SelfAttention = new Attention(c, hasTable);
    this.layer_norm = new RMSNorm(c.d_model, { epsilon: c.layer_norm_epsilon });
  }
  forward(x: Tensor, ctx: Context, look: Look): AttentionOutput {
    const n = this.layer_norm.forward(x);
    const out = this.SelfAttention.forward(n, this.SelfAttention.remember(n, ctx), ctx, look);
    return { ...out, y: x.add(out.y) };
  }
}

class CrossAttentionLayer {
  readonly EncDecAttention: Attention;
  readonly layer_norm: RMSNorm;
  constructor(c: T5Config) {
    this.EncDecAttention = new Attention(c, false);
    this.layer_norm = new RMSNorm(c.d_model, { epsilon: c.layer_norm_epsilon });
  }
  forward(x: Tensor, memory: Past, ctx: Context, look: Look): AttentionOutput {
    const out = this.EncDecAttention.forward(this.layer_norm.forward(x), memory, ctx, look);
    return { ...out, y: x.add(out.y) };
  }
}

/** wo(f(x wi)), or wo(f(x wi_0) · x wi_1) where gated (Shazeer, 2020). */
class FeedForward {
  readonly wi: Linear | null;
  readonly wi_0: Linear | null;
  readonly wi_1: Linear | null;
  readonly wo: Linear;
  readonly #act: Activation;
  readonly #dropout: number;
  constructor(c: T5Config) {
    const { d_model: C, d_ff: F, is_gated_act: gated, initializer_factor: factor } = c;
    const inner = (): Linear => new Linear(C, F, { bias: false, weight: normal(factor * C ** -0.5) });
    this.#act = activation(c.dense_act_fn);
    this.#dropout = c.dropout_rate;
    this.wi = gated ? null : inner();
    this.wi_0 = gated ? inner() : null;
    this.wi_1 = gated ? inner() : null;
    this.wo = new Linear(F, C, { bias: false, weight: normal(factor * F ** -0.5) });
  }
  forward(x: Tensor, ctx: Context): Tensor {
    const h = this.wi
      ? this.#act(this.wi.forward(x, ctx))
      : mul(this.#act(this.wi_0!.forward(x, ctx)), this.wi_1!.forward(x, ctx)); // (B, T, F)
    return this.wo.forward(dropout(h, this.#dropout, ctx), ctx);
  }
}

class FeedForwardLayer {
  readonly DenseReluDense: FeedForward;
  readonly layer_norm: RMSNorm;
  readonly #dropout: number;
  constructor(c: T5Config) {
    this.DenseReluDense = new FeedForward(c);
    this.layer_norm = new RMSNorm(c.d_model, { epsilon: c.layer_norm_epsilon });
    this.#dropout = c.dropout_rate;
  }
  forward(x: Tensor, ctx: Context): Tensor {
    return x.add(dropout(this.DenseReluDense.forward(this.layer_norm.forward(x), ctx), this.#dropout, ctx));
  }
}

class EncoderBlock {
  readonly layer: readonly [SelfAttentionLayer, FeedForwardLayer];
  constructor(c: T5Config, hasTable: boolean) {
    this.layer = [new SelfAttentionLayer(c, hasTable), new FeedForwardLayer(c)];
  }
  forward(x: Tensor, ctx: Context, mask: Tensor): EncoderLayerOutput {
    const [look, think] = this.layer;
    const { y, weights } = look.forward(x, ctx, { mask });
    return { x: think.forward(y, ctx), weights };
  }
}

class DecoderBlock {
  readonly layer: readonly [SelfAttentionLayer, CrossAttentionLayer, FeedForwardLayer];
  constructor(c: T5Config, hasTable: boolean) {
    this.layer = [new SelfAttentionLayer(c, hasTable), new CrossAttentionLayer(c), new FeedForwardLayer(c)];
  }
  forward(x: Tensor, ctx: Context, self: Look, memory: Past, crossMask: Tensor | null): DecoderLayerOutput {
    const [look, lookAcross, think] = this.layer;
    const own = look.forward(x, ctx, self);
    const across = lookAcross.forward(own.y, memory, ctx, { mask: crossMask });
    return {
      x: think.forward(across.y, ctx),
      present: own.present,
      weights: own.weights,
      crossWeights: across.weights,
    };
  }
}

class Stack<Block> {
  readonly block: readonly Block[];
  readonly final_layer_norm: RMSNorm;
  constructor(c: T5Config, layers: number, build: (layer: number) => Block) {
    this.block = Array.from({ length: layers }, (_, layer) => build(layer));
    this.final_layer_norm = new RMSNorm(c.d_model, { epsilon: c.layer_norm_epsilon });
  }
}

const counted = (x: Tensor): Tensor => range(sizeOf(x, 1), x.shape[1]!);

/** The tables of a stack's layers as what they add to the scores: the first layer's serves those that have none. */
function biases(
  attentions: readonly Attention[],
  relative: Tensor,
  buckets: Buckets,
  add: (bias: Tensor) => Tensor,
): Tensor[] {
  let mask: Tensor | null = null;
  return attentions.map(({ relative_attention_bias: table }) => {
    if (table) mask = add(relativeBias(table.weight, relative, buckets));
    return mask!;
  });
}

// The encoder over embedded tokens.
function encode(
  { shared, encoder }: { shared: Embedding; encoder: Stack<EncoderBlock> },
  c: T5Config,
  ids: Tensor,
  ctx: Context,
  attentionMask?: Tensor,
): Encoded {
  checkIds('t5', ids);
  const positions = counted(ids); // (S)
  const padding = attentionMask && paddingMask(attentionMask);
  const masks = biases(
    encoder.block.map((block) => block.layer[0].SelfAttention),
    relativePositions(positions, positions),
    bucketsOf(c, true),
    (bias) => (padding ? bias.add(padding) : bias),
  );
  const x = dropout(shared.forward(ids), c.dropout_rate, ctx); // (B, S, C)
  return throughEncoder(
    x,
    encoder.block,
    (block, input, layer) => block.forward(input, ctx, masks[layer]!),
    (last) => dropout(encoder.final_layer_norm.forward(last), c.dropout_rate, ctx),
  );
}

const bucketsOf = (c: T5Config, bidirectional: boolean): Buckets => ({
  count: c.relative_attention_num_buckets,
  maxDistance: c.relative_attention_max_distance,
  bidirectional,
});

/** T5's encoder alone, in Hugging Face's weight names. */
export class T5EncoderModel implements Network {
  readonly config: T5Config;
  readonly shared: Embedding;
  readonly encoder: Stack<EncoderBlock>;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  constructor(config: Config, variant: Variant = t5Variant) {
    const c = readT5(config, variant);
    this.config = c;
    this.inputs = encoderInputsOf(c);
    this.shared = new Embedding(c.vocab_size, c.d_model, normal(c.initializer_factor));
    this.encoder = new Stack(c, c.num_layers, (layer) => new EncoderBlock(c, layer === 0 || variant.tablePerLayer));
  }
  trace({ input_ids: ids, attention_mask: mask }: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    return encoderOutputs(encode(this, this.config, ids!, ctx, mask));
  }
}

function encoderInputsOf(c: T5Config): Readonly<Record<string, NetworkInput>> {
  const { input_ids, attention_mask } = encoderDecoderInputs(c.vocab_size);
  return { input_ids: { ...input_ids!, shape: ['B', 'T'] }, attention_mask: { ...attention_mask!, shape: ['B', 'T'] } };
}

/** T5 without a head. */
export class T5Model implements Network, EncoderDecoder {
  readonly config: T5Config;
  readonly shared: Embedding;
  readonly encoder: Stack<EncoderBlock>;
  readonly decoder: Stack<DecoderBlock>;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  // Positions are relative: nothing limits how far they go.
  readonly sourceLength: number = Infinity;
  readonly contextLength: number = Infinity;
  constructor(config: Config, variant: Variant = t5Variant) {
    const c = readT5(config, variant);
    const hasTable = (layer: number): boolean => layer === 0 || variant.tablePerLayer;
    this.config = c;
    this.inputs = encoderDecoderInputs(c.vocab_size);
    this.shared = new Embedding(c.vocab_size, c.d_model, normal(c.initializer_factor));
    this.encoder = new Stack(c, c.num_layers, (layer) => new EncoderBlock(c, hasTable(layer)));
    this.decoder = new Stack(c, this.layers, (layer) => new DecoderBlock(c, hasTable(layer)));
  }
  get layers(): number {
    return this.config.num_decoder_layers ?? this.config.num_layers;
  }
  get cacheHeads(): number {
    return this.config.num_heads;
  }
  get headWidth(): number {
    return this.config.d_kv;
  }

  encode(ids: Tensor, ctx: Context, attentionMask?: Tensor): Encoded {
    return encode(this, this.config, ids, ctx, attentionMask);
  }

  remember(encoded: Tensor, ctx: Context): readonly Past[] {
    return this.decoder.block.map((block) => block.layer[1].EncDecAttention.remember(encoded, ctx));
  }

  decode(ids: Tensor, ctx: Context, memory: Memory, o: DecodeOptions = {}): Decoded {
    const { config: c, decoder, shared } = this;
    checkIds('t5', ids);
    const at = o.positions ?? counted(ids); // (T), or (B, T)
    let relative = relativePositions(at, at); // (T, T), or (B, T, T)
    if (o.past && o.positions) {
      // A row's earlier keys stand at 0, 1, 2, …
      const { value } = o.past[0]!;
      const earlier = range(sizeOf(value, 2), value.shape[2]!); // (P)
      relative = concat([relativePositions(at, unsqueeze(earlier, 0)), relative], 2); // (B, T, P+T)
    }
    let mask = o.mask ?? causalMask(ids, 1);
    if (o.attentionMask) mask = mask.add(paddingMask(o.attentionMask));
    const masks = biases(
      decoder.block.map((block) => block.layer[0].SelfAttention),
      relative,
      bucketsOf(c, false),
      (bias) => bias.add(mask),
    );
    const x = dropout(shared.forward(ids), c.dropout_rate, ctx); // (B, T, C)
    return throughDecoder(
      x,
      decoder.block,
      (block, input, layer) =>
        block.forward(
          input,
          ctx,
          { mask: masks[layer]!, past: o.past?.[layer] ?? null },
          memory.layers[layer]!,
          memory.mask,
        ),
      (last) => dropout(decoder.final_layer_norm.forward(last), c.dropout_rate, ctx),
    );
  }

  trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    return encoderDecoderOutputs(this, inputs, inputs['decoder_input_ids'], ctx);
  }
}

/** T5 that writes text: T5, T5 1.1, Flan-T5. */
export class T5ForConditionalGeneration extends T5Model implements Seq2Seq {
  readonly lm_head: { readonly weight: Parameter };
  override readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly #name: string;
  constructor(config: Config, variant: Variant = t5Variant) {
    super(config, variant);
    const { vocab_size: V, d_model: C, tie_word_embeddings: tied, initializer_factor: factor } = this.config;
    this.#name = variant.name;
    this.inputs = seq2seqInputs(V);
    this.lm_head = { weight: tied ? this.shared.weight : parameter([V, C], normal(factor)) };
  }
  get sourceVocabulary(): number {
    return this.config.vocab_size;
  }
  get vocabularySize(): number {
    return this.config.vocab_size;
  }
  get startId(): number | null {
    return this.config.decoder_start_token_id;
  }
  // The embeddings are as long as √d_model; a head that is tied to them takes that back.
  #scaled(hidden: Tensor): Tensor {
    const { tie_word_embeddings: tied, d_model: C } = this.config;
    return tied ? mul(hidden, C ** -0.5) : hidden;
  }

  head(hidden: Tensor): Tensor {
    return matmul(this.#scaled(hidden), this.lm_head.weight, { transB: true }); // (…, V)
  }

  loss(hidden: Tensor, labels: Tensor): Tensor {
    const rows = this.#scaled(hidden).reshape([-1, hidden.shape[2]!]); // (N, C)
    return linearCrossEntropy(rows, this.lm_head.weight, labels.reshape([-1])).loss;
  }

  override trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    const { labels, decoder_input_ids: given } = inputs;
    const { decoder_start_token_id: start, pad_token_id: pad } = this.config;
    const targets = given ?? (labels && targetsOf(labels, this.#name, { start, pad }));
    return seq2seqOutputs(this, inputs, targets, ctx);
  }
}

const family = (name: string, variant: Variant): Architecture => ({
  classes: {
    [`${name}ForConditionalGeneration`]: (config) => new T5ForConditionalGeneration(config, variant),
    [`${name}Model`]: (config) => new T5Model(config, variant),
    [`${name}EncoderModel`]: (config) => new T5EncoderModel(config, variant),
  },
  prefix: '',
  // Old checkpoints hold a table in the first cross-attention, which was never used.
  sanitize: (weight) =>
    /^decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight$/.test(weight) ? null : weight,
  tied: ['encoder.embed_tokens.weight', 'decoder.embed_tokens.weight', 'lm_head.weight'],
});
/** T5's checkpoints, with those of T5 1.1 and Flan-T5. */
export const t5: Architecture = family('T5', t5Variant);
/** mT5 (Xue et al., 2021): T5 1.1 in 101 languages. */
export const mt5: Architecture = family('MT5', mt5Variant);
/** UMT5 (Chung et al., 2023): mT5 with a table of relative positions in every layer. */
export const umt5: Architecture = family('UMT5', umt5Variant);
