// Decoders as classifiers: a text's last token is scored, or each token, or the ends of an answer.
import { cast, constant, equal, max, mul, not, range, sizeOf, sub, type Tensor } from '@brickwork/graph';
import { dropout, Linear, normal, type Context, type Network } from '@brickwork/nn';
import type { Architecture, Config } from './architecture.ts';
import { decode, layerOutputs } from './causal-outputs.ts';
import type { DecoderBody } from './decoder-body.ts';
import { classLabels, spanLabels, tokenLabels, type Tensors } from './heads/encoder-inputs.ts';
import { classifierOutputs, spanOutputs, tokenClassifierOutputs } from './heads/encoder-outputs.ts';
import { bothEnds, readLabels } from './heads/problem-type.ts';
import { specialId } from './special-id.ts';
import { takeTokens } from './take-tokens.ts';

/** How the classes of one architecture with heads are named. */
export interface DecoderHeads {
  /** The `model_type`, for errors. */
  readonly name: string;
  /** What stands before ForSequenceClassification and the others. */
  readonly prefix: string;
  readonly body: (config: Config) => DecoderBody;
  /** The body's name in classes with a head; and in question answering, which is left out unless given. */
  readonly bodyName: string;
  readonly spanBodyName?: string;
  /** The name of the layer that scores each token. */
  readonly tokenScore: 'score' | 'classifier';
}

/** The classes with heads of an architecture: for sequences, tokens, and where it has it question answering. */
export const headClasses = (o: DecoderHeads): Architecture['classes'] => ({
  [`${o.prefix}ForSequenceClassification`]: (config) => sequenceClassifier(o, config),
  [`${o.prefix}ForTokenClassification`]: (config) => tokenClassifier(o, config),
  ...(o.spanBodyName !== undefined && {
    [`${o.prefix}ForQuestionAnswering`]: (config: Config) => spanFinder(o, config),
  }),
});

function sequenceClassifier({ name, body: build, bodyName }: DecoderHeads, config: Config): Network {
  const body = build(config);
  const labels = readLabels(name, config);
  const pad = specialId(name, config, 'pad_token_id', { standard: null, vocabulary: body.config.vocab_size });
  const score = linear(body, labels.count, false);
  return {
    ...{ [bodyName]: body, score },
    config: body.config,
    longest: body.longest,
    inputs: { ...body.inputs, labels: classLabels(labels) },
    trace(inputs: Tensors, ctx: Context) {
      const hidden = decode(body, inputs, ctx);
      const ends = lastTokens(inputs['input_ids']!, pad, inputs['attention_mask']); // (B)
      return {
        ...classifierOutputs(() => score.forward(takeTokens(hidden.last, ends), ctx), inputs['labels'], labels),
        last_hidden_state: () => hidden.last,
        ...layerOutputs(hidden),
      };
    },
  };
}

/**
 * Where each row's last token is that isn't the padding's, as Hugging Face finds it: (B). Without an id for the padding, it
 * is the last that the mask shows, or the last of all.
 */
function lastTokens(ids: Tensor, pad: number | null, mask: Tensor | undefined): Tensor {
  const int = (value: number): Tensor => constant(BigInt64Array.of(BigInt(value)), []);
  const shown = pad === null ? (mask ?? equal(ids, ids)) : not(equal(ids, int(pad)));
  const at = range(sizeOf(ids, 1), ids.shape[1]!); // (T)
  const last = max(mul(cast(shown, 'int64'), at), [1]); // (B), 0 where there is none
  // Where all are padding, the last of all.
  const none = equal(max(cast(shown, 'int64'), [1]), int(0));
  return last.add(mul(cast(none, 'int64'), sub(sizeOf(ids, 1), int(1))));
}

function tokenClassifier({ name, body: build, bodyName, tokenScore }: DecoderHeads, config: Config): Network {
  const body = build(config);
  const labels = readLabels(name, config);
  const score = linear(body, labels.count, true);
  const p = config['classifier_dropout'] ?? config['hidden_dropout'] ?? 0.1;
  if (typeof p !== 'number' || !(p >= 0 && p < 1))
    throw new Error(`${name} config: classifier_dropout is ${JSON.stringify(p)}; needs a probability below 1`);
  return {
    ...{ [bodyName]: body, [tokenScore]: score },
    config: body.config,
    longest: body.longest,
    inputs: { ...body.inputs, ...tokenLabels(labels.count) },
    trace(inputs: Tensors, ctx: Context) {
      const hidden = decode(body, inputs, ctx);
      return {
        ...tokenClassifierOutputs(() => score.forward(dropout(hidden.last, p, ctx), ctx), inputs['labels']),
        last_hidden_state: () => hidden.last,
        ...layerOutputs(hidden),
      };
    },
  };
}

function spanFinder({ name, body: build, spanBodyName }: DecoderHeads, config: Config): Network {
  const body = build(config);
  const outputs = linear(body, bothEnds(name, readLabels(name, config)), true);
  return {
    ...{ [spanBodyName!]: body, qa_outputs: outputs },
    config: body.config,
    longest: body.longest,
    inputs: { ...body.inputs, ...spanLabels },
    trace(inputs: Tensors, ctx: Context) {
      const hidden = decode(body, inputs, ctx);
      return {
        ...spanOutputs(() => outputs.forward(hidden.last, ctx), inputs),
        last_hidden_state: () => hidden.last,
        ...layerOutputs(hidden),
      };
    },
  };
}

const linear = ({ shape, config }: DecoderBody, outputs: number, bias: boolean): Linear =>
  new Linear(shape.width, outputs, { bias, weight: normal(config.initializer_range) });
