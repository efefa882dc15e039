// ModernBERT (Warner et al., 2024): a pre-norm encoder for long texts, with rotary positions, gated feed-forward networks
// and next to no biases; most layers look at a neighbourhood only, every third at the whole text.
import {
  abs,
  argmax,
  cast,
  constant,
  equal,
  greater,
  matmul,
  maximum,
  mean,
  range,
  show,
  sizeOf,
  slice,
  split,
  squeeze,
  sub,
  sum,
  unsqueeze,
  where,
  type Tensor,
} from '@brickwork/graph';
import { activation, dropout, Embedding, LayerNorm, Linear, parameter, truncatedNormal, zeros } from '@brickwork/nn';
import type { Activation, Context, Initializer, Network, Outputs, Parameter } from '@brickwork/nn';
import type { Architecture, Config } from '../architecture.ts';
import { attention, attentionWeights, masked } from '../attention.ts';
import { readConfig } from '../config.ts';
import {
  choiceInputs,
  choicesAsRows,
  classLabels,
  encoderInputs,
  spanLabels,
  tokenLabels,
  type Inputs,
  type Tensors,
} from '../heads/encoder-inputs.ts';
import {
  choiceOutputs,
  classifierOutputs,
  encoderOutputs,
  maskedLMOutputs,
  spanOutputs,
  tokenClassifierOutputs,
  type Encoded,
} from '../heads/encoder-outputs.ts';
import { bothEnds, readLabels, type Labels } from '../heads/problem-type.ts';
import { paddingMask } from '../mask.ts';
import { rotaryFrequencies, rotate, rotation, type RotaryFrequencies, type Rotation } from '../rope.ts';
import { specialId } from '../special-id.ts';

/** The fields of config.json that change the computation, with Hugging Face's defaults. */
export interface ModernBertConfig {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly hidden_activation: string;
  readonly max_position_embeddings: number;
  readonly initializer_range: number;
  readonly norm_eps: number;
  readonly norm_bias: boolean;
  readonly attention_bias: boolean;
  readonly attention_dropout: number;
  /** Every how many layers one looks at the whole text, from the first on; `layer_types` says it layer by layer. */
  readonly global_attn_every_n_layers: number;
  readonly global_rope_theta: number;
  /** How many tokens the other layers look at: half on each side. */
  readonly local_attention: number;
  readonly local_rope_theta: number;
  readonly embedding_dropout: number;
  readonly mlp_bias: boolean;
  readonly mlp_dropout: number;
  readonly decoder_bias: boolean;
  /** `cls`: a text is classified by its first token's state; `mean`: by the mean of all. */
  readonly classifier_pooling: string;
  readonly classifier_dropout: number;
  readonly classifier_bias: boolean;
  readonly classifier_activation: string;
  readonly tie_word_embeddings: boolean;
}
const defaults: ModernBertConfig = {
  vocab_size: 50368,
  hidden_size: 768,
  intermediate_size: 1152,
  num_hidden_layers: 22,
  num_attention_heads: 12,
  hidden_activation: 'gelu',
  max_position_embeddings: 8192,
  initializer_range: 0.02,
  norm_eps: 1e-5,
  norm_bias: false,
  attention_bias: false,
  attention_dropout: 0,
  global_attn_every_n_layers: 3,
  global_rope_theta: 160000,
  local_attention: 128,
  local_rope_theta: 10000,
  embedding_dropout: 0,
  mlp_bias: false,
  mlp_dropout: 0,
  decoder_bias: true,
  classifier_pooling: 'cls',
  classifier_dropout: 0,
  classifier_bias: false,
  classifier_activation: 'gelu',
  tie_word_embeddings: true,
};

type LayerType = 'full_attention' | 'sliding_attention';
const layerTypes: readonly unknown[] = ['full_attention', 'sliding_attention'] satisfies LayerType[];

/** {@link ModernBertConfig}, and the fields that aren't plain numbers and words. */
export interface ModernBertSettings extends ModernBertConfig {
  /** The token whose embedding learns nothing; none where null. */
  readonly pad_token_id: number | null;
  /** Which layers look at the whole text. */
  readonly layer_types: readonly LayerType[];
  /** Where first values are cut off, in standard deviations. */
  readonly initializer_cutoff_factor: number;
  /** What the heads tell apart. */
  readonly labels: Labels;
}
type Settings = ModernBertSettings;

const fail = (config: Config, field: string, needed: string): never => {
  throw new Error(`modernbert config: ${field} is ${JSON.stringify(config[field])}; needs ${needed}`);
};

function read(config: Config): Settings {
  const c = readConfig('modernbert', config, defaults);
  const D = c.hidden_size / c.num_attention_heads;
  if (!Number.isInteger(D) || D % 2)
    throw new Error(
      `modernbert config: hidden_size ${c.hidden_size} doesn't divide into ${c.num_attention_heads} heads of even width (num_attention_heads)`,
    );
  if (!['cls', 'mean'].includes(c.classifier_pooling)) fail(config, 'classifier_pooling', 'cls or mean');
  const named: unknown = config['layer_types'] ?? null;
  const ok = Array.isArray(named) && named.length === c.num_hidden_layers && named.every((t) => layerTypes.includes(t));
  if (named !== null && !ok)
    fail(config, 'layer_types', `full_attention or sliding_attention for each of ${c.num_hidden_layers} layers`);
  const cutoff = config['initializer_cutoff_factor'] ?? 2;
  if (typeof cutoff !== 'number' || !(cutoff > 0)) return fail(config, 'initializer_cutoff_factor', 'a number above 0');
  return {
    ...c,
    pad_token_id: specialId('modernbert', config, 'pad_token_id', { standard: 50283, vocabulary: c.vocab_size }),
    layer_types: ok
      ? (named as LayerType[])
      : Array.from({ length: c.num_hidden_layers }, (_, i) =>
          i % c.global_attn_every_n_layers ? 'sliding_attention' : 'full_attention',
        ),
    initializer_cutoff_factor: cutoff,
    labels: readLabels('modernbert', config),
  };
}

// How each kind of layer turns. `rope_parameters` is how newer configs say it; `rope_scaling` holds for both kinds.
function frequencies(config: Config, c: Settings, type: LayerType): RotaryFrequencies {
  const full = type === 'full_attention';
  const newer = (config['rope_parameters'] as Readonly<Record<string, Scaling | null>> | null | undefined)?.[type];
  // Where the config says null, local layers turn as the others do.
  const standard = full || config['local_rope_theta'] === null ? c.global_rope_theta : c.local_rope_theta;
  const theta = newer?.['rope_theta'] ?? standard;
  if (typeof theta !== 'number' || !(theta > 0))
    return fail(config, 'rope_parameters', `rope_theta above 0 in ${type}`);
  return rotaryFrequencies(c.hidden_size / c.num_attention_heads, {
    theta,
    scaling: newer?.['rope_type'] ? newer : ((config['rope_scaling'] ?? null) as Scaling | null),
    context: full ? c.max_position_embeddings : c.local_attention,
  });
}
type Scaling = Readonly<Record<string, unknown>>;

// First values: of layers that read the residual, and of those that write to it.
const drawn = (c: Settings, deviation: number): Initializer =>
  truncatedNormal(deviation, { bounds: c.initializer_cutoff_factor });
const reading = (c: Settings): Initializer => drawn(c, c.initializer_range);
const writing = (c: Settings): Initializer => drawn(c, c.initializer_range / Math.sqrt(2 * c.num_hidden_layers));

const norm = (c: Settings): LayerNorm => new LayerNorm(c.hidden_size, { epsilon: c.norm_eps, bias: c.norm_bias });

/** Positions up to `half` away may be seen: (T, T) for the T positions of `ids` (B, T). */
function windowMask(ids: Tensor, half: number): Tensor | null {
  const T = ids.shape[1]!;
  if (typeof T === 'string') {
    const at = cast(range(sizeOf(ids, 1), T), 'float32'); // (T)
    return where(greater(abs(sub(unsqueeze(at, 1), unsqueeze(at, 0))), half), masked, 0); // (T, T)
  }
  if (T - 1 <= half) return null;
  const data = new Float32Array(T * T);
  for (let i = 0; i < T; i++) {
    data.fill(masked, i * T, i * T + Math.max(0, i - half));
    data.fill(masked, Math.min(T, i + half + 1) + i * T, (i + 1) * T);
  }
  return constant(data, [T, T]);
}

class Attention {
  readonly Wqkv: Linear;
  readonly Wo: Linear;
  readonly #c: Settings;
  constructor(c: Settings) {
    const [C, bias] = [c.hidden_size, c.attention_bias];
    this.#c = c;
    this.Wqkv = new Linear(C, 3 * C, { bias, weight: reading(c) });
    this.Wo = new Linear(C, C, { bias, weight: writing(c) });
  }
  forward(x: Tensor, ctx: Context, at: Rotation, mask: Tensor | null): { y: Tensor; weights: () => Tensor } {
    const { hidden_size: C, num_attention_heads: H, attention_dropout: p } = this.#c;
    const [B, T] = x.shape as [number, number];
    const qkv = this.Wqkv.forward(x, ctx)
      .reshape([B, T, 3, H, C / H])
      .permute([2, 0, 3, 1, 4]); // (3, B, H, T, D)
    const [q, k, v] = split(qkv, 3, 0).map((t) => squeeze(t, 0)) as [Tensor, Tensor, Tensor]; // (B, H, T, D)
    const [turned, key] = [rotate(q, at), rotate(k, at)];
    const o = attention(turned, key, v, ctx, { mask, dropout: p });
    const y = this.Wo.forward(o.permute([0, 2, 1, 3]).reshape([B, T, C]), ctx); // (B, T, C)
    return { y: dropout(y, p, ctx), weights: () => attentionWeights(turned, key, { mask }) };
  }
}

// The gated linear unit (Shazeer, 2020): half of the channels, through the activation, scale the other half.
class MLP {
  readonly Wi: Linear;
  readonly Wo: Linear;
  readonly #act: Activation;
  readonly #dropout: number;
  constructor(c: Settings) {
    const bias = c.mlp_bias;
    this.#act = activation(c.hidden_activation);
    this.#dropout = c.mlp_dropout;
    this.Wi = new Linear(c.hidden_size, 2 * c.intermediate_size, { bias, weight: reading(c) });
    this.Wo = new Linear(c.intermediate_size, c.hidden_size, { bias, weight: writing(c) });
  }
  forward(x: Tensor, ctx: Context): Tensor {
    const [value, gate] = split(this.Wi.forward(x, ctx), 2, 2) as [Tensor, Tensor]; // (B, T, I)
    return this.Wo.forward(dropout(this.#act(value).mul(gate), this.#dropout, ctx), ctx);
  }
}

class Layer {
  /** None in the first layer: the embeddings are normed already. */
  readonly attn_norm: LayerNorm | null;
  readonly attn: Attention;
  readonly mlp_norm: LayerNorm;
  readonly mlp: MLP;
  constructor(c: Settings, index: number) {
    this.attn_norm = index ? norm(c) : null;
    this.attn = new Attention(c);
    this.mlp_norm = norm(c);
    this.mlp = new MLP(c);
  }
  forward(x: Tensor, ctx: Context, at: Rotation, mask: Tensor | null): { y: Tensor; weights: () => Tensor } {
    const { y, weights } = this.attn.forward(this.attn_norm?.forward(x) ?? x, ctx, at, mask);
    const h = x.add(y);
    return { y: h.add(this.mlp.forward(this.mlp_norm.forward(h), ctx)), weights };
  }
}

/** ModernBERT's body. */
export class ModernBertModel implements Network {
  readonly config: ModernBertSettings;
  readonly inputs: Inputs;
  readonly longest: { readonly T: number };
  readonly embeddings: { readonly tok_embeddings: Embedding; readonly norm: LayerNorm };
  readonly layers: readonly Layer[];
  readonly final_norm: LayerNorm;
  readonly #rotary: Readonly<Record<LayerType, RotaryFrequencies>>;
  constructor(config: Config) {
    const c = read(config);
    this.config = c;
    this.inputs = encoderInputs(c.vocab_size, null);
    this.longest = { T: c.max_position_embeddings };
    this.#rotary = {
      full_attention: frequencies(config, c, 'full_attention'),
      sliding_attention: frequencies(config, c, 'sliding_attention'),
    };
    this.embeddings = {
      tok_embeddings: new Embedding(c.vocab_size, c.hidden_size, reading(c), { padding: c.pad_token_id }),
      norm: norm(c),
    };
    this.layers = Array.from({ length: c.num_hidden_layers }, (_, i) => new Layer(c, i));
    this.final_norm = norm(c);
  }
  encode({ input_ids: ids, attention_mask, position_ids: positions }: Tensors, ctx: Context): Encoded {
    if (ids?.rank !== 2) throw new Error(`modernbert: input_ids ${ids ? show(ids.shape) : 'missing'}; needs (B, T)`);
    const { local_attention, embedding_dropout, layer_types } = this.config;
    const [T, most] = [ids.shape[1]!, this.longest.T];
    if (typeof T === 'number' && T > most)
      throw new Error(`modernbert: a sequence of ${T} tokens, but max_position_embeddings is ${most}; cut it`);
    const padding = attention_mask ? paddingMask(attention_mask) : null; // (B, 1, 1, T)
    const near = windowMask(ids, Math.floor(local_attention / 2)); // (T, T)
    const masks = {
      full_attention: padding,
      sliding_attention: padding && near ? padding.add(near) : (padding ?? near),
    };
    const at = {
      full_attention: rotation(this.#rotary.full_attention, ids, { positions }),
      sliding_attention: rotation(this.#rotary.sliding_attention, ids, { positions }),
    };
    const { tok_embeddings, norm: first } = this.embeddings;
    const all = [dropout(first.forward(tok_embeddings.forward(ids)), embedding_dropout, ctx)];
    const attentions: (() => Tensor)[] = [];
    this.layers.forEach((layer, i) => {
      const type = layer_types[i]!;
      const { y, weights } = layer.forward(all.at(-1)!, ctx, at[type], masks[type]);
      all.push(y);
      attentions.push(weights);
    });
    return { last: this.final_norm.forward(all.at(-1)!), all, attentions };
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    return encoderOutputs(this.encode(inputs, ctx));
  }
}

class PredictionHead {
  readonly dense: Linear;
  readonly norm: LayerNorm;
  readonly #act: Activation;
  constructor(c: Settings) {
    this.#act = activation(c.classifier_activation);
    this.dense = new Linear(c.hidden_size, c.hidden_size, { bias: c.classifier_bias, weight: writing(c) });
    this.norm = norm(c);
  }
  forward(x: Tensor): Tensor {
    return this.norm.forward(this.#act(this.dense.forward(x)));
  }
}

// A body, a layer that all classes have, and what each puts on it.
abstract class WithHead implements Network {
  readonly config: ModernBertSettings;
  readonly model: ModernBertModel;
  readonly head: PredictionHead;
  abstract readonly inputs: Inputs;
  constructor(config: Config) {
    this.model = new ModernBertModel(config);
    this.config = this.model.config;
    this.head = new PredictionHead(this.config);
  }
  get longest(): ModernBertModel['longest'] {
    return this.model.longest;
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    const encoded = this.model.encode(inputs, ctx);
    return { ...this.outputs(encoded, inputs, ctx), ...encoderOutputs(encoded) };
  }
  protected abstract outputs(encoded: Encoded, inputs: Tensors, ctx: Context): Outputs;
}

/** ModernBERT that fills in masked tokens. */
export class ModernBertForMaskedLM extends WithHead {
  readonly inputs: Inputs = { ...this.model.inputs, ...tokenLabels(this.config.vocab_size) };
  readonly decoder: { readonly weight: Parameter; readonly bias: Parameter | null };
  constructor(config: Config) {
    super(config);
    const c = this.config;
    this.decoder = {
      weight: c.tie_word_embeddings
        ? this.model.embeddings.tok_embeddings.weight
        : parameter([c.vocab_size, c.hidden_size], writing(c)),
      bias: c.decoder_bias ? parameter([c.vocab_size], zeros) : null,
    };
  }
  // Logits are of all positions, whatever sparse_prediction says; the loss computes those with a label only.
  protected outputs({ last }: Encoded, { labels }: Tensors): Outputs {
    return maskedLMOutputs(last, { transform: (hidden) => this.head.forward(hidden), ...this.decoder }, labels);
  }
}

// A linear layer on top of everything.
const classifier = (c: Settings, outputs: number): Linear =>
  new Linear(c.hidden_size, outputs, { weight: drawn(c, c.hidden_size ** -0.5) });

/** The mean of the states that the mask shows, (B, T, C) to (B, C). */
function meanOf(last: Tensor, mask: Tensor | undefined): Tensor {
  if (!mask) return mean(last, [1]);
  const real = unsqueeze(cast(mask, 'float32'), 2); // (B, T, 1)
  return sum(last.mul(real), [1]).div(maximum(sum(real, [1]), 1));
}

/** ModernBERT that classifies texts, or predicts numbers for them. */
export class ModernBertForSequenceClassification extends WithHead {
  readonly inputs: Inputs = { ...this.model.inputs, labels: classLabels(this.config.labels) };
  readonly classifier: Linear;
  constructor(config: Config) {
    super(config);
    this.classifier = classifier(this.config, this.config.labels.count);
  }
  protected outputs({ last }: Encoded, { labels, attention_mask: mask }: Tensors, ctx: Context): Outputs {
    const { classifier_pooling, classifier_dropout, labels: kinds } = this.config;
    const score = (): Tensor => {
      const pooled = classifier_pooling === 'mean' ? meanOf(last, mask) : squeeze(slice(last, 1, 0, 1), 1); // (B, C)
      return this.classifier.forward(dropout(this.head.forward(pooled), classifier_dropout, ctx), ctx);
    };
    return classifierOutputs(score, labels, kinds);
  }
}

/** ModernBERT that classifies every token. */
export class ModernBertForTokenClassification extends WithHead {
  readonly inputs: Inputs = { ...this.model.inputs, ...tokenLabels(this.config.labels.count) };
  readonly classifier: Linear;
  constructor(config: Config) {
    super(config);
    this.classifier = classifier(this.config, this.config.labels.count);
  }
  protected outputs({ last }: Encoded, { labels }: Tensors, ctx: Context): Outputs {
    const score = (): Tensor =>
      this.classifier.forward(dropout(this.head.forward(last), this.config.classifier_dropout, ctx), ctx);
    return tokenClassifierOutputs(score, labels);
  }
}

/** ModernBERT that finds the first and last token of an answer. */
export class ModernBertForQuestionAnswering extends WithHead {
  readonly inputs: Inputs = { ...this.model.inputs, ...spanLabels };
  readonly classifier: Linear;
  constructor(config: Config) {
    super(config);
    this.classifier = classifier(this.config, bothEnds('modernbert', this.config.labels));
  }
  protected outputs({ last }: Encoded, inputs: Tensors, ctx: Context): Outputs {
    const score = (): Tensor =>
      this.classifier.forward(dropout(this.head.forward(last), this.config.classifier_dropout, ctx), ctx);
    return spanOutputs(score, inputs);
  }
}

/** The state of the first token that the mask shows, (B, T, C) to (B, C): texts may be padded in front. */
function firstOf(last: Tensor, mask: Tensor | undefined): Tensor {
  if (!mask) return squeeze(slice(last, 1, 0, 1), 1);
  const first = argmax(mask, 1, true); // (B, 1)
  const at = equal(unsqueeze(range(sizeOf(last, 1), last.shape[1]!), 0), first); // (B, T)
  return squeeze(matmul(unsqueeze(cast(at, 'float32'), 1), last), 1); // (B, C)
}

/** ModernBERT that chooses between texts: inputs are (B, N, T), hidden states and attention have a row for each choice. */
export class ModernBertForMultipleChoice extends WithHead {
  readonly inputs: Inputs = choiceInputs(this.model.inputs);
  readonly classifier: Linear;
  constructor(config: Config) {
    super(config);
    this.classifier = classifier(this.config, 1);
  }
  override trace(inputs: Tensors, ctx: Context): Outputs {
    const encoded = this.model.encode(choicesAsRows(inputs), ctx);
    return { ...this.outputs(encoded, inputs, ctx), ...encoderOutputs(encoded) };
  }
  protected outputs({ last }: Encoded, inputs: Tensors, ctx: Context): Outputs {
    const { classifier_pooling, classifier_dropout } = this.config;
    const score = (): Tensor => {
      const { attention_mask: mask } = choicesAsRows(inputs);
      const pooled = classifier_pooling === 'mean' ? meanOf(last, mask) : firstOf(last, mask); // (B·N, C)
      return this.classifier.forward(dropout(this.head.forward(pooled), classifier_dropout, ctx), ctx);
    };
    return choiceOutputs(score, inputs);
  }
}

/** ModernBERT's checkpoints. */
export const modernbert: Architecture = {
  classes: {
    ModernBertModel: (config) => new ModernBertModel(config),
    ModernBertForMaskedLM: (config) => new ModernBertForMaskedLM(config),
    ModernBertForSequenceClassification: (config) => new ModernBertForSequenceClassification(config),
    ModernBertForTokenClassification: (config) => new ModernBertForTokenClassification(config),
    ModernBertForQuestionAnswering: (config) => new ModernBertForQuestionAnswering(config),
    ModernBertForMultipleChoice: (config) => new ModernBertForMultipleChoice(config),
  },
  prefix: 'model.',
  tied: ['decoder', 'head.dense', 'head.norm'].flatMap((name) => [`${name}.weight`, `${name}.bias`]),
};
