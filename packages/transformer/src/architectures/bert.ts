// BERT (Devlin et al., 2019): a post-norm Transformer encoder that reads in both directions, trained to fill in masked
// tokens and to tell whether one sentence follows another.
import { add, matmul, mul, range, show, sizeOf, slice, softmax, squeeze, tanh, type Tensor } from '@brickwork/graph';
import {
  activation,
  dropout,
  dropoutMask,
  Embedding,
  LayerNorm,
  Linear,
  normal,
  parameter,
  zeros,
} from '@brickwork/nn';
import type { Activation, Context, Network, Outputs, Parameter } from '@brickwork/nn';
import type { Architecture, Config } from '../architecture.ts';
import { attention, attentionWeights } from '../attention.ts';
import { once } from '../causal-outputs.ts';
import { readConfig } from '../config.ts';
import type { MaskedLMHead } from '../heads/masked-lm-loss.ts';
import { bothEnds, readLabels, type Labels } from '../heads/problem-type.ts';
import { tokenLoss } from '../heads/token-loss.ts';
import {
  choiceInputs,
  choicesAsRows,
  classLabels,
  segmentInputs,
  rowLabels,
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
import { paddingMask } from '../mask.ts';
import { relativeScores } from '../relative-key.ts';
import { specialId } from '../special-id.ts';

/** The fields of config.json that change the computation, with Hugging Face's defaults. */
export interface BertConfig {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly hidden_act: string;
  readonly hidden_dropout_prob: number;
  readonly attention_probs_dropout_prob: number;
  /** Of the heads; `hidden_dropout_prob` where null. */
  readonly classifier_dropout: number | null;
  readonly max_position_embeddings: number;
  readonly type_vocab_size: number;
  readonly initializer_range: number;
  readonly layer_norm_eps: number;
  /** `absolute`, `relative_key` or `relative_key_query`. */
  readonly position_embedding_type: string;
  readonly tie_word_embeddings: boolean;
}
const defaults: BertConfig = {
  vocab_size: 30522,
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3072,
  hidden_act: 'gelu',
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
  classifier_dropout: null,
  max_position_embeddings: 512,
  type_vocab_size: 2,
  initializer_range: 0.02,
  layer_norm_eps: 1e-12,
  position_embedding_type: 'absolute',
  tie_word_embeddings: true,
};

/** {@link BertConfig}, and what BERT and its kin read besides. */
export interface BertSettings extends BertConfig {
  /** The token whose embedding learns nothing; none where null. */
  readonly pad_token_id: number | null;
  /** What the heads tell apart. */
  readonly labels: Labels;
}

/** Reads the config of BERT, or of a network that differs from it in defaults only. */
export function readBertConfig(
  architecture: string,
  config: Config,
  { padding = 0, ...o }: Partial<BertConfig> & { readonly padding?: number } = {},
): BertSettings {
  // chunk_size_feed_forward changes the memory needed, and nothing else.
  const c = readConfig(
    architecture,
    config,
    { ...defaults, ...o },
    { refuse: { is_decoder: true, add_cross_attention: true } },
  );
  const known = ['absolute', 'relative_key', 'relative_key_query'];
  if (!known.includes(c.position_embedding_type))
    throw new Error(
      `${architecture} config: position_embedding_type is ${JSON.stringify(c.position_embedding_type)}; known are ${known.join(', ')}`,
    );
  if (Object.keys(config['pruned_heads'] ?? {}).length)
    throw new Error(`${architecture} config: pruned_heads is not empty, which isn't implemented; needs all heads`);
  if (c.hidden_size % c.num_attention_heads)
    throw new Error(
      `${architecture} config: hidden_size ${c.hidden_size} doesn't divide into ${c.num_attention_heads} heads (num_attention_heads)`,
    );
  return {
    ...c,
    pad_token_id: specialId(architecture, config, 'pad_token_id', { standard: padding, vocabulary: c.vocab_size }),
    labels: readLabels(architecture, config),
  };
}

const linear = (c: BertConfig, inputs: number, outputs: number): Linear =>
  new Linear(inputs, outputs, { weight: normal(c.initializer_range) });
const norm = (c: BertConfig): LayerNorm => new LayerNorm(c.hidden_size, { epsilon: c.layer_norm_eps });

interface Attended {
  readonly y: Tensor;
  readonly weights: () => Tensor;
}

class SelfAttention {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  /** A vector for each distance, where positions are relative. */
  readonly distance_embedding: Embedding | null;
  readonly #c: BertConfig;
  constructor(c: BertConfig) {
    const [C, M] = [c.hidden_size, c.max_position_embeddings];
    this.#c = c;
    this.query = linear(c, C, C);
    this.key = linear(c, C, C);
    this.value = linear(c, C, C);
    this.distance_embedding =
      c.position_embedding_type === 'absolute'
        ? null
        : new Embedding(2 * M - 1, C / c.num_attention_heads, normal(c.initializer_range));
  }
  forward(x: Tensor, ctx: Context, mask: Tensor | null): Attended {
    const {
      hidden_size: C,
      num_attention_heads: H,
      attention_probs_dropout_prob: p,
      position_embedding_type,
    } = this.#c;
    const [B, T] = x.shape as [number, number];
    const heads = (t: Tensor): Tensor => t.reshape([B, T, H, C / H]).permute([0, 2, 1, 3]); // (B, H, T, D)
    const [q, k, v] = [this.query, this.key, this.value].map((one) => heads(one.forward(x, ctx))) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const joined = (o: Tensor): Tensor => o.permute([0, 2, 1, 3]).reshape([B, T, C]); // (B, T, C)
    if (!this.distance_embedding)
      return {
        y: joined(attention(q, k, v, ctx, { mask, dropout: p })),
        weights: () => attentionWeights(q, k, { mask }),
      };
    const keys = position_embedding_type === 'relative_key_query' ? k : null;
    const near = relativeScores(q, this.distance_embedding.weight, keys); // (B, H, T, T)
    const scores = mul(add(matmul(q, k, { transB: true }), near), 1 / Math.sqrt(C / H));
    const weights = softmax(mask ? scores.add(mask) : scores);
    const keep = dropoutMask(weights.shape, p, ctx);
    return { y: joined(matmul(keep ? mul(weights, keep) : weights, v)), weights: () => weights };
  }
}

// Back to the block's width, then the sum with what went in, normed.
class Output {
  readonly dense: Linear;
  readonly LayerNorm: LayerNorm;
  readonly #dropout: number;
  constructor(c: BertConfig, inputs: number) {
    this.#dropout = c.hidden_dropout_prob;
    this.dense = linear(c, inputs, c.hidden_size);
    this.LayerNorm = norm(c);
  }
  forward(y: Tensor, x: Tensor, ctx: Context): Tensor {
    return this.LayerNorm.forward(dropout(this.dense.forward(y, ctx), this.#dropout, ctx).add(x));
  }
}

class Layer {
  readonly attention: { readonly self: SelfAttention; readonly output: Output };
  readonly intermediate: { readonly dense: Linear };
  readonly output: Output;
  readonly #act: Activation;
  constructor(c: BertConfig) {
    this.#act = activation(c.hidden_act);
    this.attention = { self: new SelfAttention(c), output: new Output(c, c.hidden_size) };
    this.intermediate = { dense: linear(c, c.hidden_size, c.intermediate_size) };
    this.output = new Output(c, c.intermediate_size);
  }
  forward(x: Tensor, ctx: Context, mask: Tensor | null): Attended {
    const { y, weights } = this.attention.self.forward(x, ctx, mask);
    const h = this.attention.output.forward(y, x, ctx);
    return { y: this.output.forward(this.#act(this.intermediate.dense.forward(h, ctx)), h, ctx), weights };
  }
}

/** BERT's layers, which RoBERTa has too. */
export class BertEncoder {
  readonly layer: readonly Layer[];
  constructor(c: BertConfig) {
    this.layer = Array.from({ length: c.num_hidden_layers }, () => new Layer(c));
  }
  /** x (B, T, C): embeddings; `attentionMask` int64 (B, T), 0 at padding. */
  forward(x: Tensor, ctx: Context, attentionMask: Tensor | undefined): Encoded {
    const mask = attentionMask ? paddingMask(attentionMask) : null; // (B, 1, 1, T)
    const all = [x];
    const attentions: (() => Tensor)[] = [];
    for (const layer of this.layer) {
      const { y, weights } = layer.forward(all.at(-1)!, ctx, mask);
      all.push(y);
      attentions.push(weights);
    }
    return { last: all.at(-1)!, all, attentions };
  }
}

/** The first token's state through a layer and tanh: (B, T, C) to (B, C). */
export class BertPooler {
  readonly dense: Linear;
  constructor(c: BertConfig) {
    this.dense = linear(c, c.hidden_size, c.hidden_size);
  }
  forward(hidden: Tensor): Tensor {
    return tanh(this.dense.forward(squeeze(slice(hidden, 1, 0, 1), 1)));
  }
}

/** Tokens, segments and positions, summed, normed and dropped. Used by BERT, and with other positions by RoBERTa. */
export class BertEmbeddings {
  readonly word_embeddings: Embedding;
  readonly position_embeddings: Embedding;
  readonly token_type_embeddings: Embedding;
  readonly LayerNorm: LayerNorm;
  readonly #c: BertSettings;
  /** @param padding the position whose embedding learns nothing; none where null */
  constructor(c: BertSettings, padding: number | null = null) {
    const [C, weight] = [c.hidden_size, normal(c.initializer_range)];
    this.#c = c;
    this.word_embeddings = new Embedding(c.vocab_size, C, weight, { padding: c.pad_token_id });
    this.position_embeddings = new Embedding(c.max_position_embeddings, C, weight, { padding });
    this.token_type_embeddings = new Embedding(c.type_vocab_size, C, weight);
    this.LayerNorm = norm(c);
  }
  /** `positions` int64 (B, T); 0 to T-1 unless given. */
  forward(
    ids: Tensor,
    ctx: Context,
    { types, positions }: { types: Tensor | undefined; positions: Tensor | undefined },
  ): Tensor {
    const T = ids.shape[1]!;
    const table = this.position_embeddings;
    const segment = types
      ? this.token_type_embeddings.forward(types)
      : slice(this.token_type_embeddings.weight, 0, 0, 1);
    let x = this.word_embeddings.forward(ids).add(segment); // (B, T, C)
    if (this.#c.position_embedding_type === 'absolute')
      x = x.add(
        positions
          ? table.forward(positions) // (B, T, C)
          : typeof T === 'number'
            ? slice(table.weight, 0, 0, T) // (T, C)
            : table.forward(range(sizeOf(ids, 1), T)),
      );
    return dropout(this.LayerNorm.forward(x), this.#c.hidden_dropout_prob, ctx);
  }
}

/** BERT's body. */
export class BertModel implements Network {
  readonly config: BertSettings;
  readonly inputs: Inputs;
  readonly longest: { readonly T: number };
  readonly embeddings: BertEmbeddings;
  readonly encoder: BertEncoder;
  readonly pooler: BertPooler | null;
  constructor(config: Config, { pooler = true }: { readonly pooler?: boolean } = {}) {
    const c = readBertConfig('bert', config);
    this.config = c;
    this.inputs = segmentInputs(c.vocab_size, c.max_position_embeddings, c.type_vocab_size);
    this.longest = { T: c.max_position_embeddings };
    this.embeddings = new BertEmbeddings(c);
    this.encoder = new BertEncoder(c);
    this.pooler = pooler ? new BertPooler(c) : null;
  }
  encode(inputs: Tensors, ctx: Context): Encoded {
    const { input_ids: ids, attention_mask: mask, token_type_ids: types, position_ids: positions } = inputs;
    if (ids?.rank !== 2) throw new Error(`bert: input_ids ${ids ? show(ids.shape) : 'missing'}; needs (B, T)`);
    const [T, most] = [ids.shape[1]!, this.longest.T];
    if (typeof T === 'number' && T > most)
      throw new Error(`bert: a sequence of ${T} tokens, but max_position_embeddings is ${most}; cut it`);
    return this.encoder.forward(this.embeddings.forward(ids, ctx, { types, positions }), ctx, mask);
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    const encoded = this.encode(inputs, ctx);
    const { pooler } = this;
    return { ...encoderOutputs(encoded), ...(pooler && { pooler_output: () => pooler.forward(encoded.last) }) };
  }
}

// A body and what each class puts on it.
abstract class WithHead implements Network {
  readonly config: BertSettings;
  readonly bert: BertModel;
  abstract readonly inputs: Inputs;
  constructor(config: Config, o: { readonly pooler: boolean }) {
    this.bert = new BertModel(config, o);
    this.config = this.bert.config;
  }
  get longest(): BertModel['longest'] {
    return this.bert.longest;
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    const encoded = this.bert.encode(inputs, ctx);
    return { ...this.head(encoded, inputs, ctx), ...encoderOutputs(encoded) };
  }
  protected abstract head(encoded: Encoded, inputs: Tensors, ctx: Context): Outputs;
  /** `pooler_output`, dropped. */
  protected pooled({ last }: Encoded, ctx: Context): Tensor {
    return this.dropped(this.bert.pooler!.forward(last), ctx);
  }
  protected dropped(x: Tensor, ctx: Context): Tensor {
    return dropout(x, this.config.classifier_dropout ?? this.config.hidden_dropout_prob, ctx);
  }
}

// A layer, the activation and a norm, then a score for every token of the vocabulary.
class Predictions {
  readonly bias: Parameter;
  readonly transform: { readonly dense: Linear; readonly LayerNorm: LayerNorm };
  readonly decoder: { readonly weight: Parameter };
  readonly #act: Activation;
  constructor(c: BertConfig, embeddings: Embedding) {
    this.#act = activation(c.hidden_act);
    this.bias = parameter([c.vocab_size], zeros);
    this.transform = { dense: linear(c, c.hidden_size, c.hidden_size), LayerNorm: norm(c) };
    this.decoder = {
      weight: c.tie_word_embeddings
        ? embeddings.weight
        : parameter([c.vocab_size, c.hidden_size], normal(c.initializer_range)),
    };
  }
  get head(): MaskedLMHead {
    const { dense, LayerNorm: last } = this.transform;
    return {
      transform: (hidden) => last.forward(this.#act(dense.forward(hidden))),
      weight: this.decoder.weight,
      bias: this.bias,
    };
  }
}

/** BERT as it was trained: masked tokens, and whether the second sentence follows the first (0) or not (1). */
export class BertForPreTraining extends WithHead {
  readonly inputs: Inputs = {
    ...this.bert.inputs,
    ...tokenLabels(this.config.vocab_size),
    next_sentence_label: rowLabels(2),
  };
  readonly cls: { readonly predictions: Predictions; readonly seq_relationship: Linear };
  constructor(config: Config) {
    super(config, { pooler: true });
    const c = this.config;
    this.cls = {
      predictions: new Predictions(c, this.bert.embeddings.word_embeddings),
      seq_relationship: linear(c, c.hidden_size, 2),
    };
  }
  protected head({ last }: Encoded, { labels, next_sentence_label: next }: Tensors): Outputs {
    const { predictions, seq_relationship } = this.cls;
    const { logits, loss, ...others } = maskedLMOutputs(last, predictions.head, labels);
    const follows = once(() => seq_relationship.forward(this.bert.pooler!.forward(last))); // (B, 2)
    return {
      prediction_logits: logits!,
      seq_relationship_logits: follows,
      ...others,
      ...(loss && next && { loss: () => loss().add(tokenLoss(follows(), next)) }),
    };
  }
}

/** BERT that fills in masked tokens. */
export class BertForMaskedLM extends WithHead {
  readonly inputs: Inputs = { ...this.bert.inputs, ...tokenLabels(this.config.vocab_size) };
  readonly cls: { readonly predictions: Predictions };
  constructor(config: Config) {
    super(config, { pooler: false });
    this.cls = { predictions: new Predictions(this.config, this.bert.embeddings.word_embeddings) };
  }
  protected head({ last }: Encoded, { labels }: Tensors): Outputs {
    return maskedLMOutputs(last, this.cls.predictions.head, labels);
  }
}

/** BERT that tells whether the second sentence follows the first (label 0) or not (1). */
export class BertForNextSentencePrediction extends WithHead {
  readonly inputs: Inputs = { ...this.bert.inputs, labels: rowLabels(2) };
  readonly cls: { readonly seq_relationship: Linear };
  constructor(config: Config) {
    super(config, { pooler: true });
    this.cls = { seq_relationship: linear(this.config, this.config.hidden_size, 2) };
  }
  protected head({ last }: Encoded, { labels }: Tensors): Outputs {
    return classifierOutputs(() => this.cls.seq_relationship.forward(this.bert.pooler!.forward(last)), labels, {
      count: 2,
      problemType: 'single_label_classification',
    });
  }
}

/** BERT that classifies texts, or predicts numbers for them. */
export class BertForSequenceClassification extends WithHead {
  readonly inputs: Inputs = { ...this.bert.inputs, labels: classLabels(this.config.labels) };
  readonly classifier: Linear;
  constructor(config: Config) {
    super(config, { pooler: true });
    this.classifier = linear(this.config, this.config.hidden_size, this.config.labels.count);
  }
  protected head(encoded: Encoded, { labels }: Tensors, ctx: Context): Outputs {
    return classifierOutputs(() => this.classifier.forward(this.pooled(encoded, ctx), ctx), labels, this.config.labels);
  }
}

/** BERT that classifies every token. */
export class BertForTokenClassification extends WithHead {
  readonly inputs: Inputs = { ...this.bert.inputs, ...tokenLabels(this.config.labels.count) };
  readonly classifier: Linear;
  constructor(config: Config) {
    super(config, { pooler: false });
    this.classifier = linear(this.config, this.config.hidden_size, this.config.labels.count);
  }
  protected head({ last }: Encoded, { labels }: Tensors, ctx: Context): Outputs {
    return tokenClassifierOutputs(() => this.classifier.forward(this.dropped(last, ctx), ctx), labels);
  }
}

/** BERT that finds the first and last token of an answer. */
export class BertForQuestionAnswering extends WithHead {
  readonly inputs: Inputs = { ...this.bert.inputs, ...spanLabels };
  readonly qa_outputs: Linear;
  constructor(config: Config) {
    super(config, { pooler: false });
    this.qa_outputs = linear(this.config, this.config.hidden_size, bothEnds('bert', this.config.labels));
  }
  protected head({ last }: Encoded, inputs: Tensors): Outputs {
    return spanOutputs(() => this.qa_outputs.forward(last), inputs);
  }
}

/** BERT that chooses between texts: inputs are (B, N, T), hidden states and attention have a row for each choice. */
export class BertForMultipleChoice extends WithHead {
  readonly inputs: Inputs = choiceInputs(this.bert.inputs);
  readonly classifier: Linear;
  constructor(config: Config) {
    super(config, { pooler: true });
    this.classifier = linear(this.config, this.config.hidden_size, 1);
  }
  override trace(inputs: Tensors, ctx: Context): Outputs {
    const encoded = this.bert.encode(choicesAsRows(inputs), ctx);
    return { ...this.head(encoded, inputs, ctx), ...encoderOutputs(encoded) };
  }
  protected head(encoded: Encoded, inputs: Tensors, ctx: Context): Outputs {
    return choiceOutputs(() => this.classifier.forward(this.pooled(encoded, ctx), ctx), inputs);
  }
}

/** BERT's checkpoints. */
export const bert: Architecture = {
  classes: {
    BertModel: (config) => new BertModel(config),
    BertForPreTraining: (config) => new BertForPreTraining(config),
    BertForMaskedLM: (config) => new BertForMaskedLM(config),
    BertForNextSentencePrediction: (config) => new BertForNextSentencePrediction(config),
    BertForSequenceClassification: (config) => new BertForSequenceClassification(config),
    BertForTokenClassification: (config) => new BertForTokenClassification(config),
    BertForQuestionAnswering: (config) => new BertForQuestionAnswering(config),
    BertForMultipleChoice: (config) => new BertForMultipleChoice(config),
  },
  prefix: 'bert.',
  // Checkpoints converted from TensorFlow call a norm's weights gamma and beta; old ones carry the positions as a buffer.
  sanitize: (name) =>
    /(^|\.)embeddings\.(position_ids|token_type_ids)$/.test(name)
      ? null
      : name.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias'),
  tied: [
    'bert.pooler.dense',
    'cls.predictions',
    'cls.predictions.decoder',
    'cls.predictions.transform.dense',
    'cls.predictions.transform.LayerNorm',
    'cls.seq_relationship',
  ].flatMap((name) => [`${name}.weight`, `${name}.bias`]),
};
