// DistilBERT (Sanh et al., 2019): BERT with half the layers, without segments and pooler, taught by BERT.
import { gather, range, relu, show, sizeOf, slice, squeeze, type Tensor } from '@brickwork/graph';
import { activation, buffer, dropout, Embedding, LayerNorm, Linear, normal, parameter, zeros } from '@brickwork/nn';
import type { Activation, Context, Network, Outputs, Parameter } from '@brickwork/nn';
import type { Architecture, Config } from '../architecture.ts';
import { attention, attentionWeights } from '../attention.ts';
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
import { sinusoidalPositions } from '../positions.ts';
import { specialId } from '../special-id.ts';

/** The fields of config.json that change the computation, with Hugging Face's defaults. */
export interface DistilBertConfig {
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  /** Whether positions are sines and cosines that training leaves alone. */
  readonly sinusoidal_pos_embds: boolean;
  readonly n_layers: number;
  readonly n_heads: number;
  readonly dim: number;
  readonly hidden_dim: number;
  readonly dropout: number;
  readonly attention_dropout: number;
  readonly activation: string;
  readonly initializer_range: number;
  readonly qa_dropout: number;
  readonly seq_classif_dropout: number;
  readonly tie_word_embeddings: boolean;
}
const defaults: DistilBertConfig = {
  vocab_size: 30522,
  max_position_embeddings: 512,
  sinusoidal_pos_embds: false,
  n_layers: 6,
  n_heads: 12,
  dim: 768,
  hidden_dim: 3072,
  dropout: 0.1,
  attention_dropout: 0.1,
  activation: 'gelu',
  initializer_range: 0.02,
  qa_dropout: 0.1,
  seq_classif_dropout: 0.2,
  tie_word_embeddings: true,
};
interface Settings extends DistilBertConfig {
  readonly pad_token_id: number | null;
  readonly labels: Labels;
}

const linear = (c: DistilBertConfig, inputs: number, outputs: number): Linear =>
  new Linear(inputs, outputs, { weight: normal(c.initializer_range) });
const norm = (c: DistilBertConfig): LayerNorm => new LayerNorm(c.dim, { epsilon: 1e-12 });

class Attention {
  readonly q_lin: Linear;
  readonly k_lin: Linear;
  readonly v_lin: Linear;
  readonly out_lin: Linear;
  readonly #c: DistilBertConfig;
  constructor(c: DistilBertConfig) {
    this.#c = c;
    this.q_lin = linear(c, c.dim, c.dim);
    this.k_lin = linear(c, c.dim, c.dim);
    this.v_lin = linear(c, c.dim, c.dim);
    this.out_lin = linear(c, c.dim, c.dim);
  }
  forward(x: Tensor, ctx: Context, mask: Tensor | null): { y: Tensor; weights: () => Tensor } {
    const { dim: C, n_heads: H, attention_dropout } = this.#c;
    const [B, T] = x.shape as [number, number];
    const heads = (t: Tensor): Tensor => t.reshape([B, T, H, C / H]).permute([0, 2, 1, 3]); // (B, H, T, D)
    const q = heads(this.q_lin.forward(x, ctx));
    const k = heads(this.k_lin.forward(x, ctx));
    const v = heads(this.v_lin.forward(x, ctx));
    const o = attention(q, k, v, ctx, { mask, dropout: attention_dropout });
    const y = this.out_lin.forward(o.permute([0, 2, 1, 3]).reshape([B, T, C]), ctx); // (B, T, C)
    return { y, weights: () => attentionWeights(q, k, { mask }) };
  }
}

class Block {
  readonly attention: Attention;
  readonly sa_layer_norm: LayerNorm;
  readonly ffn: { readonly lin1: Linear; readonly lin2: Linear };
  readonly output_layer_norm: LayerNorm;
  readonly #act: Activation;
  readonly #dropout: number;
  constructor(c: DistilBertConfig) {
    this.#act = activation(c.activation);
    this.#dropout = c.dropout;
    this.attention = new Attention(c);
    this.sa_layer_norm = norm(c);
    this.ffn = { lin1: linear(c, c.dim, c.hidden_dim), lin2: linear(c, c.hidden_dim, c.dim) };
    this.output_layer_norm = norm(c);
  }
  forward(x: Tensor, ctx: Context, mask: Tensor | null): { y: Tensor; weights: () => Tensor } {
    const { lin1, lin2 } = this.ffn;
    const { y, weights } = this.attention.forward(x, ctx, mask);
    const h = this.sa_layer_norm.forward(y.add(x));
    const fed = dropout(lin2.forward(this.#act(lin1.forward(h, ctx)), ctx), this.#dropout, ctx);
    return { y: this.output_layer_norm.forward(fed.add(h)), weights };
  }
}

class Embeddings {
  readonly word_embeddings: Embedding;
  readonly position_embeddings: { readonly weight: Parameter };
  readonly LayerNorm: LayerNorm;
  readonly #dropout: number;
  constructor(c: Settings) {
    const shape = [c.max_position_embeddings, c.dim];
    this.#dropout = c.dropout;
    this.word_embeddings = new Embedding(c.vocab_size, c.dim, normal(c.initializer_range), { padding: c.pad_token_id });
    this.position_embeddings = {
      weight: c.sinusoidal_pos_embds
        ? buffer(shape, (data) => data.set(sinusoidalPositions(shape[0]!, shape[1]!).data as Float32Array))
        : parameter(shape, normal(c.initializer_range)),
    };
    this.LayerNorm = norm(c);
  }
  forward(ids: Tensor, ctx: Context, positions: Tensor | undefined): Tensor {
    const T = ids.shape[1]!;
    const { weight } = this.position_embeddings;
    const at = positions
      ? gather(weight, positions) // (B, T, C)
      : typeof T === 'number'
        ? slice(weight, 0, 0, T) // (T, C)
        : gather(weight, range(sizeOf(ids, 1), T));
    return dropout(this.LayerNorm.forward(this.word_embeddings.forward(ids).add(at)), this.#dropout, ctx);
  }
}

/** DistilBERT's body. */
export class DistilBertModel implements Network {
  readonly config: DistilBertConfig & { readonly labels: Labels };
  readonly inputs: Inputs;
  readonly longest: { readonly T: number };
  readonly embeddings: Embeddings;
  readonly transformer: { readonly layer: readonly Block[] };
  constructor(config: Config) {
    const read = readConfig('distilbert', config, defaults, {
      aliases: { dim: 'hidden_size', n_heads: 'num_attention_heads', n_layers: 'num_hidden_layers' },
    });
    const c = {
      ...read,
      pad_token_id: specialId('distilbert', config, 'pad_token_id', { standard: 0, vocabulary: read.vocab_size }),
      labels: readLabels('distilbert', config),
    };
    if (Object.keys(config['pruned_heads'] ?? {}).length)
      throw new Error("distilbert config: pruned_heads is not empty, which isn't implemented; needs all heads");
    if (c.dim % c.n_heads)
      throw new Error(`distilbert config: dim ${c.dim} doesn't divide into ${c.n_heads} heads (n_heads)`);
    this.config = c;
    this.inputs = encoderInputs(c.vocab_size, c.max_position_embeddings);
    this.longest = { T: c.max_position_embeddings };
    this.embeddings = new Embeddings(c);
    this.transformer = { layer: Array.from({ length: c.n_layers }, () => new Block(c)) };
  }
  encode({ input_ids: ids, attention_mask, position_ids }: Tensors, ctx: Context): Encoded {
    if (ids?.rank !== 2) throw new Error(`distilbert: input_ids ${ids ? show(ids.shape) : 'missing'}; needs (B, T)`);
    const [T, most] = [ids.shape[1]!, this.longest.T];
    if (typeof T === 'number' && T > most)
      throw new Error(`distilbert: a sequence of ${T} tokens, but max_position_embeddings is ${most}; cut it`);
    const mask = attention_mask ? paddingMask(attention_mask) : null; // (B, 1, 1, T)
    const all = [this.embeddings.forward(ids, ctx, position_ids)];
    const attentions: (() => Tensor)[] = [];
    for (const block of this.transformer.layer) {
      const { y, weights } = block.forward(all.at(-1)!, ctx, mask);
      all.push(y);
      attentions.push(weights);
    }
    return { last: all.at(-1)!, all, attentions };
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    return encoderOutputs(this.encode(inputs, ctx));
  }
}

// A body and what each class puts on it.
abstract class WithHead implements Network {
  readonly config: DistilBertModel['config'];
  readonly distilbert: DistilBertModel;
  abstract readonly inputs: Inputs;
  constructor(config: Config) {
    this.distilbert = new DistilBertModel(config);
    this.config = this.distilbert.config;
  }
  get longest(): DistilBertModel['longest'] {
    return this.distilbert.longest;
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    const encoded = this.distilbert.encode(inputs, ctx);
    return { ...this.head(encoded, inputs, ctx), ...encoderOutputs(encoded) };
  }
  protected abstract head(encoded: Encoded, inputs: Tensors, ctx: Context): Outputs;
}

/** DistilBERT that fills in masked tokens. */
export class DistilBertForMaskedLM extends WithHead {
  readonly inputs: Inputs = { ...this.distilbert.inputs, ...tokenLabels(this.config.vocab_size) };
  readonly vocab_transform: Linear;
  readonly vocab_layer_norm: LayerNorm;
  readonly vocab_projector: { readonly weight: Parameter; readonly bias: Parameter };
  readonly #act: Activation;
  constructor(config: Config) {
    super(config);
    const c = this.config;
    this.#act = activation(c.activation);
    this.vocab_transform = linear(c, c.dim, c.dim);
    this.vocab_layer_norm = norm(c);
    this.vocab_projector = {
      weight: c.tie_word_embeddings
        ? this.distilbert.embeddings.word_embeddings.weight
        : parameter([c.vocab_size, c.dim], normal(c.initializer_range)),
      bias: parameter([c.vocab_size], zeros),
    };
  }
  protected head({ last }: Encoded, { labels }: Tensors): Outputs {
    const transform = (hidden: Tensor): Tensor =>
      this.vocab_layer_norm.forward(this.#act(this.vocab_transform.forward(hidden)));
    return maskedLMOutputs(last, { transform, ...this.vocab_projector }, labels);
  }
}

// The first token's state through a layer and ReLU, dropped, and then scored.
abstract class WithPooledHead extends WithHead {
  readonly pre_classifier: Linear;
  readonly classifier: Linear;
  constructor(config: Config, count: (labels: Labels) => number) {
    super(config);
    const c = this.config;
    this.pre_classifier = linear(c, c.dim, c.dim);
    this.classifier = linear(c, c.dim, count(c.labels));
  }
  protected score({ last }: Encoded, ctx: Context): Tensor {
    const first = squeeze(slice(last, 1, 0, 1), 1); // (B, C)
    const pooled = relu(this.pre_classifier.forward(first, ctx));
    return this.classifier.forward(dropout(pooled, this.config.seq_classif_dropout, ctx), ctx); // (B, N)
  }
}

/** DistilBERT that classifies texts, or predicts numbers for them. */
export class DistilBertForSequenceClassification extends WithPooledHead {
  readonly inputs: Inputs = { ...this.distilbert.inputs, labels: classLabels(this.config.labels) };
  constructor(config: Config) {
    super(config, ({ count }) => count);
  }
  protected head(encoded: Encoded, { labels }: Tensors, ctx: Context): Outputs {
    return classifierOutputs(() => this.score(encoded, ctx), labels, this.config.labels);
  }
}

/** DistilBERT that chooses between texts: inputs are (B, N, T), hidden states and attention have a row for each choice. */
export class DistilBertForMultipleChoice extends WithPooledHead {
  readonly inputs: Inputs = choiceInputs(this.distilbert.inputs);
  constructor(config: Config) {
    super(config, () => 1);
  }
  override trace(inputs: Tensors, ctx: Context): Outputs {
    const encoded = this.distilbert.encode(choicesAsRows(inputs), ctx);
    return { ...this.head(encoded, inputs, ctx), ...encoderOutputs(encoded) };
  }
  protected head(encoded: Encoded, inputs: Tensors, ctx: Context): Outputs {
    return choiceOutputs(() => this.score(encoded, ctx), inputs);
  }
}

/** DistilBERT that classifies every token. */
export class DistilBertForTokenClassification extends WithHead {
  readonly inputs: Inputs = { ...this.distilbert.inputs, ...tokenLabels(this.config.labels.count) };
  readonly classifier: Linear;
  constructor(config: Config) {
    super(config);
    this.classifier = linear(this.config, this.config.dim, this.config.labels.count);
  }
  protected head({ last }: Encoded, { labels }: Tensors, ctx: Context): Outputs {
    return tokenClassifierOutputs(() => this.classifier.forward(dropout(last, this.config.dropout, ctx), ctx), labels);
  }
}

/** DistilBERT that finds the first and last token of an answer. */
export class DistilBertForQuestionAnswering extends WithHead {
  readonly inputs: Inputs = { ...this.distilbert.inputs, ...spanLabels };
  readonly qa_outputs: Linear;
  constructor(config: Config) {
    super(config);
    this.qa_outputs = linear(this.config, this.config.dim, bothEnds('distilbert', this.config.labels));
  }
  protected head({ last }: Encoded, inputs: Tensors, ctx: Context): Outputs {
    return spanOutputs(() => this.qa_outputs.forward(dropout(last, this.config.qa_dropout, ctx), ctx), inputs);
  }
}

/** DistilBERT's checkpoints. */
export const distilbert: Architecture = {
  classes: {
    DistilBertModel: (config) => new DistilBertModel(config),
    DistilBertForMaskedLM: (config) => new DistilBertForMaskedLM(config),
    DistilBertForSequenceClassification: (config) => new DistilBertForSequenceClassification(config),
    DistilBertForTokenClassification: (config) => new DistilBertForTokenClassification(config),
    DistilBertForQuestionAnswering: (config) => new DistilBertForQuestionAnswering(config),
    DistilBertForMultipleChoice: (config) => new DistilBertForMultipleChoice(config),
  },
  prefix: 'distilbert.',
  // Old checkpoints carry the positions as a buffer.
  sanitize: (name) => (/(^|\.)embeddings\.position_ids$/.test(name) ? null : name),
  tied: ['vocab_projector', 'vocab_transform', 'vocab_layer_norm'].flatMap((name) => [
    `${name}.weight`,
    `${name}.bias`,
  ]),
};
