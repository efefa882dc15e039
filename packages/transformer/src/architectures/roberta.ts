// RoBERTa (Liu et al., 2019): BERT's network trained better, with positions that are counted past the padding; and
// XLM-RoBERTa (Conneau et al., 2020) and CamemBERT (Martin et al., 2020), which are the same in other languages.
import { cast, constant, cumsum, equal, gelu, not, show, slice, squeeze, tanh, type Tensor } from '@brickwork/graph';
import { dropout, LayerNorm, Linear, normal, parameter, zeros, type Embedding } from '@brickwork/nn';
import type { Context, Network, Outputs, Parameter } from '@brickwork/nn';
import type { Architecture, Config } from '../architecture.ts';
import {
  choiceInputs,
  choicesAsRows,
  classLabels,
  segmentInputs,
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
import type { MaskedLMHead } from '../heads/masked-lm-loss.ts';
import { bothEnds } from '../heads/problem-type.ts';
import { BertEmbeddings, BertEncoder, BertPooler, readBertConfig, type BertSettings } from './bert.ts';

const linear = (c: BertSettings, outputs: number): Linear =>
  new Linear(c.hidden_size, outputs, { weight: normal(c.initializer_range) });

/** Tokens are counted from `padding` + 1, and padding stands at `padding`: int64 (B, T). */
function positionsOf(ids: Tensor, padding: number): Tensor {
  const pad = constant(BigInt64Array.of(BigInt(padding)), []);
  const real = cast(not(equal(ids, pad)), 'int64'); // (B, T)
  return cumsum(real, 1).mul(real).add(pad);
}

/** RoBERTa's body. */
export class RobertaModel implements Network {
  readonly config: BertSettings;
  readonly inputs: Inputs;
  readonly longest: { readonly T: number };
  readonly embeddings: BertEmbeddings;
  readonly encoder: BertEncoder;
  readonly pooler: BertPooler | null;
  readonly #padding: number;
  constructor(config: Config, { pooler = true }: { readonly pooler?: boolean } = {}) {
    const c = readBertConfig('roberta', config, { vocab_size: 50265, padding: 1 });
    if (c.pad_token_id === null)
      throw new Error('roberta config: pad_token_id is null; needs a number, as positions are counted from it');
    this.config = c;
    this.#padding = c.pad_token_id;
    this.inputs = segmentInputs(c.vocab_size, c.max_position_embeddings, c.type_vocab_size);
    this.longest = { T: c.max_position_embeddings - c.pad_token_id - 1 };
    this.embeddings = new BertEmbeddings(c, c.pad_token_id);
    this.encoder = new BertEncoder(c);
    this.pooler = pooler ? new BertPooler(c) : null;
  }
  encode(inputs: Tensors, ctx: Context): Encoded {
    const { input_ids: ids, attention_mask: mask, token_type_ids: types, position_ids: given } = inputs;
    if (ids?.rank !== 2) throw new Error(`roberta: input_ids ${ids ? show(ids.shape) : 'missing'}; needs (B, T)`);
    const [T, most] = [ids.shape[1]!, this.longest.T];
    if (typeof T === 'number' && T > most)
      throw new Error(
        `roberta: a sequence of ${T} tokens, but max_position_embeddings ${this.config.max_position_embeddings} leaves ${most} after pad_token_id ${this.#padding}; cut it`,
      );
    const positions = given ?? positionsOf(ids, this.#padding);
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
  readonly roberta: RobertaModel;
  abstract readonly inputs: Inputs;
  constructor(config: Config, o: { readonly pooler: boolean }) {
    this.roberta = new RobertaModel(config, o);
    this.config = this.roberta.config;
  }
  get longest(): RobertaModel['longest'] {
    return this.roberta.longest;
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    const encoded = this.roberta.encode(inputs, ctx);
    return { ...this.head(encoded, inputs, ctx), ...encoderOutputs(encoded) };
  }
  protected abstract head(encoded: Encoded, inputs: Tensors, ctx: Context): Outputs;
  protected dropped(x: Tensor, ctx: Context): Tensor {
    return dropout(x, this.config.classifier_dropout ?? this.config.hidden_dropout_prob, ctx);
  }
}

// A layer, GELU and a norm, then a score for every token of the vocabulary.
class LMHead {
  readonly bias: Parameter;
  readonly dense: Linear;
  readonly layer_norm: LayerNorm;
  readonly decoder: { readonly weight: Parameter };
  constructor(c: BertSettings, embeddings: Embedding) {
    this.bias = parameter([c.vocab_size], zeros);
    this.dense = linear(c, c.hidden_size);
    this.layer_norm = new LayerNorm(c.hidden_size, { epsilon: c.layer_norm_eps });
    this.decoder = {
      weight: c.tie_word_embeddings
        ? embeddings.weight
        : parameter([c.vocab_size, c.hidden_size], normal(c.initializer_range)),
    };
  }
  get head(): MaskedLMHead {
    return {
      transform: (hidden) => this.layer_norm.forward(gelu(this.dense.forward(hidden))),
      weight: this.decoder.weight,
      bias: this.bias,
    };
  }
}

/** RoBERTa that fills in masked tokens. */
export class RobertaForMaskedLM extends WithHead {
  readonly inputs: Inputs = { ...this.roberta.inputs, ...tokenLabels(this.config.vocab_size) };
  readonly lm_head: LMHead;
  constructor(config: Config) {
    super(config, { pooler: false });
    this.lm_head = new LMHead(this.config, this.roberta.embeddings.word_embeddings);
  }
  protected head({ last }: Encoded, { labels }: Tensors): Outputs {
    return maskedLMOutputs(last, this.lm_head.head, labels);
  }
}

/** RoBERTa that classifies texts, or predicts numbers for them. */
export class RobertaForSequenceClassification extends WithHead {
  readonly inputs: Inputs = { ...this.roberta.inputs, labels: classLabels(this.config.labels) };
  readonly classifier: { readonly dense: Linear; readonly out_proj: Linear };
  constructor(config: Config) {
    super(config, { pooler: false });
    const c = this.config;
    this.classifier = { dense: linear(c, c.hidden_size), out_proj: linear(c, c.labels.count) };
  }
  protected head({ last }: Encoded, { labels }: Tensors, ctx: Context): Outputs {
    const { dense, out_proj } = this.classifier;
    const score = (): Tensor => {
      const first = this.dropped(squeeze(slice(last, 1, 0, 1), 1), ctx); // (B, C)
      return out_proj.forward(this.dropped(tanh(dense.forward(first, ctx)), ctx), ctx); // (B, N)
    };
    return classifierOutputs(score, labels, this.config.labels);
  }
}

/** RoBERTa that classifies every token. */
export class RobertaForTokenClassification extends WithHead {
  readonly inputs: Inputs = { ...this.roberta.inputs, ...tokenLabels(this.config.labels.count) };
  readonly classifier: Linear;
  constructor(config: Config) {
    super(config, { pooler: false });
    this.classifier = linear(this.config, this.config.labels.count);
  }
  protected head({ last }: Encoded, { labels }: Tensors, ctx: Context): Outputs {
    return tokenClassifierOutputs(() => this.classifier.forward(this.dropped(last, ctx), ctx), labels);
  }
}

/** RoBERTa that finds the first and last token of an answer. */
export class RobertaForQuestionAnswering extends WithHead {
  readonly inputs: Inputs = { ...this.roberta.inputs, ...spanLabels };
  readonly qa_outputs: Linear;
  constructor(config: Config) {
    super(config, { pooler: false });
    this.qa_outputs = linear(this.config, bothEnds('roberta', this.config.labels));
  }
  protected head({ last }: Encoded, inputs: Tensors): Outputs {
    return spanOutputs(() => this.qa_outputs.forward(last), inputs);
  }
}

/** RoBERTa that chooses between texts: inputs are (B, N, T), hidden states and attention have a row for each choice. */
export class RobertaForMultipleChoice extends WithHead {
  readonly inputs: Inputs = choiceInputs(this.roberta.inputs);
  readonly classifier: Linear;
  constructor(config: Config) {
    super(config, { pooler: true });
    this.classifier = linear(this.config, 1);
  }
  override trace(inputs: Tensors, ctx: Context): Outputs {
    const encoded = this.roberta.encode(choicesAsRows(inputs), ctx);
    return { ...this.head(encoded, inputs, ctx), ...encoderOutputs(encoded) };
  }
  protected head({ last }: Encoded, inputs: Tensors, ctx: Context): Outputs {
    const pooled = (): Tensor => this.dropped(this.roberta.pooler!.forward(last), ctx);
    return choiceOutputs(() => this.classifier.forward(pooled(), ctx), inputs);
  }
}

// The classes under the names of one of the family.
const family = (name: string): Architecture => ({
  classes: {
    [`${name}Model`]: (config) => new RobertaModel(config),
    [`${name}ForMaskedLM`]: (config) => new RobertaForMaskedLM(config),
    [`${name}ForSequenceClassification`]: (config) => new RobertaForSequenceClassification(config),
    [`${name}ForTokenClassification`]: (config) => new RobertaForTokenClassification(config),
    [`${name}ForQuestionAnswering`]: (config) => new RobertaForQuestionAnswering(config),
    [`${name}ForMultipleChoice`]: (config) => new RobertaForMultipleChoice(config),
  },
  prefix: 'roberta.',
  // Checkpoints converted from TensorFlow call a norm's weights gamma and beta; old ones carry the positions as a buffer.
  sanitize: (name) =>
    /(^|\.)embeddings\.(position_ids|token_type_ids)$/.test(name)
      ? null
      : name.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias'),
  tied: ['lm_head', 'lm_head.decoder', 'lm_head.dense', 'lm_head.layer_norm', 'roberta.pooler.dense'].flatMap(
    (name) => [`${name}.weight`, `${name}.bias`],
  ),
});

/** RoBERTa's checkpoints. */
export const roberta: Architecture = family('Roberta');
/** XLM-RoBERTa's checkpoints. */
export const xlmRoberta: Architecture = family('XLMRoberta');
/** CamemBERT's checkpoints. */
export const camembert: Architecture = family('Camembert');
