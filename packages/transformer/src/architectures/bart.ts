// BART (Lewis et al., 2020): the Transformer of 2017 with learned positions and GELU, trained to repair damaged text.
import {
  add,
  cast,
  constant,
  equal,
  gather,
  gatherElements,
  max,
  mul,
  range,
  sizeOf,
  slice,
  squeeze,
  tanh,
  unsqueeze,
  where,
  type Tensor,
} from '@brickwork/graph';
import { activation, dropout, Embedding, LayerNorm, Linear, normal, parameter } from '@brickwork/nn';
import type { Activation, Context, Network, NetworkInput, Outputs } from '@brickwork/nn';
import type { Architecture, Config } from '../architecture.ts';
import { attention, attentionWeights, type AttentionOutput, type Past } from '../attention.ts';
import { checkIds } from '../check-ids.ts';
import { readConfig } from '../config.ts';
import { classLabels, spanLabels } from '../heads/encoder-inputs.ts';
import { classifierOutputs, spanOutputs, type Encoded } from '../heads/encoder-outputs.ts';
import { bothEnds, readLabels, type Labels } from '../heads/problem-type.ts';
import { layerDrop, readLayerDrop } from '../layer-drop.ts';
import { causalMask, paddingMask } from '../mask.ts';
import { HeadedEncoderDecoder } from '../seq2seq-head.ts';
import {
  encoderDecoderInputs,
  encoderDecoderOutputs,
  passedOutputs,
  passThrough,
  seq2seqInputs,
  seq2seqOutputs,
  targetsOf,
} from '../seq2seq-outputs.ts';
import type { DecodeOptions, Decoded, EncoderDecoder, Memory, Seq2Seq } from '../seq2seq.ts';
import { specialId } from '../special-id.ts';
import { throughDecoder, throughEncoder, type DecoderLayerOutput, type EncoderLayerOutput } from '../through-layers.ts';

/** The fields of config.json that change the computation, with Hugging Face's defaults. */
export interface BartConfig {
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  readonly d_model: number;
  readonly encoder_layers: number;
  readonly encoder_ffn_dim: number;
  readonly encoder_attention_heads: number;
  readonly encoder_layerdrop: number;
  readonly decoder_layers: number;
  readonly decoder_ffn_dim: number;
  readonly decoder_attention_heads: number;
  readonly decoder_layerdrop: number;
  readonly activation_function: string;
  readonly dropout: number;
  readonly attention_dropout: number;
  readonly activation_dropout: number;
  readonly classifier_dropout: number;
  readonly init_std: number;
  /** Whether embeddings are multiplied by √d_model. */
  readonly scale_embedding: boolean;
  readonly tie_word_embeddings: boolean;
  readonly pad_token_id: number | null;
  readonly eos_token_id: number | null;
  readonly decoder_start_token_id: number | null;
  /** The first token after the start, and the last one where a target is as long as it may be. */
  readonly forced_bos_token_id: number | null;
  readonly forced_eos_token_id: number | null;
}
/** Hugging Face's defaults for BART's numbers and names. */
const defaults = {
  vocab_size: 50265,
  max_position_embeddings: 1024,
  d_model: 1024,
  encoder_layers: 12,
  encoder_ffn_dim: 4096,
  encoder_attention_heads: 16,
  decoder_layers: 12,
  decoder_ffn_dim: 4096,
  decoder_attention_heads: 16,
  activation_function: 'gelu',
  dropout: 0.1,
  attention_dropout: 0,
  activation_dropout: 0,
  classifier_dropout: 0,
  init_std: 0.02,
  scale_embedding: false,
  tie_word_embeddings: true,
};
// The first versions of config.json had fields for variants that are architectures of their own today.
const refuse = {
  tie_encoder_decoder: true,
  is_decoder: true,
  normalize_before: true,
  normalize_embedding: false,
  add_final_layer_norm: true,
  static_position_embeddings: true,
};
const aliases = { d_model: 'hidden_size', encoder_attention_heads: 'num_attention_heads' };

function readBart(config: Config): BartConfig {
  const c = readConfig('bart', config, defaults, { aliases, refuse });
  for (const field of ['encoder_attention_heads', 'decoder_attention_heads'] as const)
    if (c.d_model % c[field])
      throw new Error(`bart config: d_model ${c.d_model} doesn't divide into ${c[field]} heads (${field})`);
  const id = (field: string, standard: number): number | null =>
    specialId('bart', config, field, { standard: standard < c.vocab_size ? standard : null, vocabulary: c.vocab_size });
  return {
    ...c,
    ...readLayerDrop('bart', config),
    pad_token_id: id('pad_token_id', 1),
    eos_token_id: id('eos_token_id', 2),
    decoder_start_token_id: id('decoder_start_token_id', 2),
    forced_bos_token_id:
      config['force_bos_token_to_be_generated'] === true && config['forced_bos_token_id'] === undefined
        ? id('bos_token_id', 0)
        : id('forced_bos_token_id', Infinity),
    forced_eos_token_id: id('forced_eos_token_id', 2),
  };
}

/** What a layer of BART's kind reads of its config. */
export type LayerConfig = Omit<BartConfig, 'vocab_size' | 'classifier_dropout' | 'forced_bos_token_id'>;

/** What one attention is given: what is added to its scores, and earlier keys and values. */
interface Look {
  readonly mask: Tensor | null;
  readonly past?: Past | null;
}

class Attention {
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly q_proj: Linear;
  readonly out_proj: Linear;
  readonly #heads: number;
  readonly #dropout: number;
  constructor(c: LayerConfig, heads: number) {
    const projection = (): Linear => new Linear(c.d_model, c.d_model, { weight: normal(c.init_std) });
    this.#heads = heads;
    this.#dropout = c.attention_dropout;
    this.k_proj = projection();
    this.v_proj = projection();
    this.q_proj = projection();
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

/** A layer of the encoder: every sum is normalised after it (post-norm). */
export class BartEncoderLayer {
  readonly self_attn: Attention;
  readonly self_attn_layer_norm: LayerNorm;
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly final_layer_norm: LayerNorm;
  readonly #c: LayerConfig;
  readonly #act: Activation;
  constructor(c: LayerConfig) {
    const weight = normal(c.init_std);
    this.#c = c;
    this.#act = activation(c.activation_function);
    this.self_attn = new Attention(c, c.encoder_attention_heads);
    this.self_attn_layer_norm = new LayerNorm(c.d_model);
    this.fc1 = new Linear(c.d_model, c.encoder_ffn_dim, { weight });
    this.fc2 = new Linear(c.encoder_ffn_dim, c.d_model, { weight });
    this.final_layer_norm = new LayerNorm(c.d_model);
  }
  forward(x: Tensor, ctx: Context, mask: Tensor | null): EncoderLayerOutput {
    const { dropout: p, activation_dropout: inner, encoder_layerdrop } = this.#c;
    const { y, weights } = this.self_attn.forward(x, this.self_attn.remember(x, ctx), ctx, { mask });
    const a = this.self_attn_layer_norm.forward(x.add(dropout(y, p, ctx)));
    const h = dropout(this.#act(this.fc1.forward(a, ctx)), inner, ctx); // (B, S, F)
    const out = this.final_layer_norm.forward(a.add(dropout(this.fc2.forward(h, ctx), p, ctx)));
    return { x: layerDrop(x, out, encoder_layerdrop, ctx), weights };
  }
}

/** A layer of the decoder: looks at what was written, then at the source. */
export class BartDecoderLayer {
  readonly self_attn: Attention;
  readonly self_attn_layer_norm: LayerNorm;
  readonly encoder_attn: Attention;
  readonly encoder_attn_layer_norm: LayerNorm;
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly final_layer_norm: LayerNorm;
  readonly #c: LayerConfig;
  readonly #act: Activation;
  constructor(c: LayerConfig) {
    const weight = normal(c.init_std);
    this.#c = c;
    this.#act = activation(c.activation_function);
    this.self_attn = new Attention(c, c.decoder_attention_heads);
    this.self_attn_layer_norm = new LayerNorm(c.d_model);
    this.encoder_attn = new Attention(c, c.decoder_attention_heads);
    this.encoder_attn_layer_norm = new LayerNorm(c.d_model);
    this.fc1 = new Linear(c.d_model, c.decoder_ffn_dim, { weight });
    this.fc2 = new Linear(c.decoder_ffn_dim, c.d_model, { weight });
    this.final_layer_norm = new LayerNorm(c.d_model);
  }
  forward(x: Tensor, ctx: Context, self: Look, memory: Past, crossMask: Tensor | null): DecoderLayerOutput {
    const { dropout: p, activation_dropout: inner, decoder_layerdrop } = this.#c;
    const own = this.self_attn.forward(x, this.self_attn.remember(x, ctx), ctx, self);
    const a = this.self_attn_layer_norm.forward(x.add(dropout(own.y, p, ctx)));
    const across = this.encoder_attn.forward(a, memory, ctx, { mask: crossMask });
    const b = this.encoder_attn_layer_norm.forward(a.add(dropout(across.y, p, ctx)));
    const h = dropout(this.#act(this.fc1.forward(b, ctx)), inner, ctx); // (B, T, F)
    const out = this.final_layer_norm.forward(b.add(dropout(this.fc2.forward(h, ctx), p, ctx)));
    return {
      x: layerDrop(x, out, decoder_layerdrop, ctx),
      present: own.present,
      weights: own.weights,
      crossWeights: across.weights,
    };
  }
}

/** BART's learned positions begin with two rows that no token uses. */
const offset = 2;

class Half<Layer> {
  readonly embed_positions: Embedding;
  readonly layers: readonly Layer[];
  readonly layernorm_embedding: LayerNorm;
  readonly #c: BartConfig;
  constructor(c: BartConfig, layers: number, build: () => Layer) {
    this.#c = c;
    this.embed_positions = new Embedding(c.max_position_embeddings + offset, c.d_model, normal(c.init_std));
    this.layers = Array.from({ length: layers }, build);
    this.layernorm_embedding = new LayerNorm(c.d_model);
  }
  /** Embedded tokens at their positions, which are counted from 0 unless given: (B, T) to (B, T, C). */
  embed(shared: Embedding, ids: Tensor, ctx: Context, positions?: Tensor): Tensor {
    const { d_model: C, scale_embedding, dropout: p } = this.#c;
    checkIds('bart', ids, this.#c.max_position_embeddings);
    const T = ids.shape[1]!;
    const table = this.embed_positions.weight;
    const two = constant(BigInt64Array.of(BigInt(offset)), []);
    const at = positions
      ? gather(table, add(positions, two)) // (B, T, C)
      : typeof T === 'number'
        ? slice(table, 0, offset, offset + T) // (T, C)
        : gather(table, add(range(sizeOf(ids, 1), T), two));
    const tokens = shared.forward(ids);
    const x = (scale_embedding ? mul(tokens, Math.sqrt(C)) : tokens).add(at);
    return dropout(this.layernorm_embedding.forward(x), p, ctx);
  }
}

/** BART without a head, in Hugging Face's weight names. */
export class BartModel implements Network, EncoderDecoder {
  readonly config: BartConfig;
  readonly shared: Embedding;
  readonly encoder: Half<BartEncoderLayer>;
  readonly decoder: Half<BartDecoderLayer>;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  constructor(config: Config) {
    const c = readBart(config);
    this.config = c;
    this.inputs = encoderDecoderInputs(c.vocab_size);
    this.shared = new Embedding(c.vocab_size, c.d_model, normal(c.init_std), { padding: c.pad_token_id });
    this.encoder = new Half(c, c.encoder_layers, () => new BartEncoderLayer(c));
    this.decoder = new Half(c, c.decoder_layers, () => new BartDecoderLayer(c));
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
    return this.config.decoder_layers;
  }
  get cacheHeads(): number {
    return this.config.decoder_attention_heads;
  }
  get headWidth(): number {
    return this.config.d_model / this.config.decoder_attention_heads;
  }

  encode(ids: Tensor, ctx: Context, attentionMask?: Tensor): Encoded {
    const mask = attentionMask ? paddingMask(attentionMask) : null;
    const x = this.encoder.embed(this.shared, ids, ctx); // (B, S, C)
    return throughEncoder(x, this.encoder.layers, (layer, input) => layer.forward(input, ctx, mask));
  }

  remember(encoded: Tensor, ctx: Context): readonly Past[] {
    return this.decoder.layers.map((layer) => layer.encoder_attn.remember(encoded, ctx));
  }

  decode(ids: Tensor, ctx: Context, memory: Memory, o: DecodeOptions = {}): Decoded {
    let mask = o.mask ?? causalMask(ids, 1);
    if (o.attentionMask) mask = mask.add(paddingMask(o.attentionMask));
    const x = this.decoder.embed(this.shared, ids, ctx, o.positions); // (B, T, C)
    return throughDecoder(x, this.decoder.layers, (layer, input, i) =>
      layer.forward(input, ctx, { mask, past: o.past?.[i] ?? null }, memory.layers[i]!, memory.mask),
    );
  }

  /** The decoder's inputs that belong to these: given ones, or else what labels or the source itself ask for. */
  targets(inputs: Readonly<Record<string, Tensor>>): Tensor {
    const { decoder_start_token_id: start, pad_token_id: pad } = this.config;
    const { labels, decoder_input_ids: given, input_ids: source } = inputs;
    return given ?? targetsOf(labels ?? source!, 'bart', { start, pad });
  }

  trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    return encoderDecoderOutputs(this, inputs, this.targets(inputs), ctx);
  }
}

/** BART that writes text: summaries, translations, repairs. */
export class BartForConditionalGeneration extends HeadedEncoderDecoder<BartModel> implements Seq2Seq {
  readonly config: BartConfig;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  constructor(config: Config) {
    const model = new BartModel(config);
    const { vocab_size: V, d_model: C, init_std, tie_word_embeddings: tied } = model.config;
    super(model, tied ? model.shared.weight : parameter([V, C], normal(init_std)));
    this.config = model.config;
    this.inputs = seq2seqInputs(V);
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

  trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    return seq2seqOutputs(this, inputs, this.model.targets(inputs), ctx);
  }
}

/** Two layers on the decoder's state at the source's last end token. */
class ClassificationHead {
  readonly dense: Linear;
  readonly out_proj: Linear;
  readonly #dropout: number;
  constructor(c: BartConfig, labels: number) {
    const weight = normal(c.init_std);
    this.dense = new Linear(c.d_model, c.d_model, { weight });
    this.out_proj = new Linear(c.d_model, labels, { weight });
    this.#dropout = c.classifier_dropout;
  }
  forward(x: Tensor, ctx: Context): Tensor {
    const h = tanh(this.dense.forward(dropout(x, this.#dropout, ctx), ctx));
    return this.out_proj.forward(dropout(h, this.#dropout, ctx), ctx); // (B, N)
  }
}

/** BART that classifies: reads the source in both halves and judges its last end token. */
export class BartForSequenceClassification implements Network {
  readonly config: BartConfig & { readonly labels: Labels };
  readonly model: BartModel;
  readonly classification_head: ClassificationHead;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  constructor(config: Config) {
    const labels = readLabels('bart', { num_labels: 3, ...config });
    this.model = new BartModel(config);
    this.config = { ...this.model.config, labels };
    this.classification_head = new ClassificationHead(this.model.config, labels.count);
    this.inputs = { ...this.model.inputs, labels: classLabels(labels) };
  }
  get longest(): Readonly<Record<string, number>> {
    return this.model.longest;
  }
  trace({ labels, ...inputs }: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    const { eos_token_id: eos, labels: kinds } = this.config;
    if (eos === null)
      throw new Error('bart config: eos_token_id is null, but the classifier judges the last end token; set it');
    const passed = passThrough(this.model, inputs, this.model.targets(inputs), ctx);
    const { last } = passed.decoded!; // (B, T, C)
    const score = (): Tensor => {
      const ends = equal(inputs['input_ids']!, constant(BigInt64Array.of(BigInt(eos)), [])); // (B, T)
      const T = last.shape[1]!;
      const at = max(where(ends, cast(range(sizeOf(inputs['input_ids']!, 1), T), 'float32'), 0), [1], true); // (B, 1)
      const row = unsqueeze(cast(at, 'int64'), 2).add(noIndex(last)); // (B, 1, C)
      return this.classification_head.forward(squeeze(gatherElements(last, row, 1), 1), ctx);
    };
    return { ...classifierOutputs(score, labels, kinds), ...passedOutputs(passed) };
  }
}
// int64 zeros (1, 1, C), which an index takes on to cover all channels.
const noIndex = (x: Tensor): Tensor => constant(new BigInt64Array(x.shape[2] as number), [1, 1, x.shape[2] as number]);

/** BART that finds an answer's first and last token. */
export class BartForQuestionAnswering implements Network {
  readonly config: BartConfig;
  readonly model: BartModel;
  readonly qa_outputs: Linear;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  constructor(config: Config) {
    this.model = new BartModel(config);
    this.config = this.model.config;
    const count = bothEnds('bart', readLabels('bart', { ...config, num_labels: 2, id2label: undefined }));
    this.qa_outputs = new Linear(this.config.d_model, count, { weight: normal(this.config.init_std) });
    this.inputs = { ...this.model.inputs, ...spanLabels };
  }
  get longest(): Readonly<Record<string, number>> {
    return this.model.longest;
  }
  trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    const passed = passThrough(this.model, inputs, this.model.targets(inputs), ctx);
    const score = (): Tensor => this.qa_outputs.forward(passed.decoded!.last, ctx); // (B, T, 2)
    return { ...spanOutputs(score, inputs), ...passedOutputs(passed) };
  }
}

/** BART's checkpoints. */
export const bart: Architecture = {
  classes: {
    BartForConditionalGeneration: (config) => new BartForConditionalGeneration(config),
    BartModel: (config) => new BartModel(config),
    BartForSequenceClassification: (config) => new BartForSequenceClassification(config),
    BartForQuestionAnswering: (config) => new BartForQuestionAnswering(config),
  },
  prefix: 'model.',
  tied: [
    'model.encoder.embed_tokens.weight',
    'model.decoder.embed_tokens.weight',
    'lm_head.weight',
    // Without a head nothing is added to its logits.
    'final_logits_bias',
  ],
};
