// What encoders take and give by name, and what their heads add, as Hugging Face's models do.
import { GraphError, reshapeLike, show, slice, split, squeeze, type Tensor } from '@brickwork/graph';
import { affine, type NetworkInput, type Outputs } from '@brickwork/nn';
import { layerOutputs, once } from '../causal-outputs.ts';
import { classificationLoss } from './classification-loss.ts';
import { labelLogProbs } from './label-log-probs.ts';
import { maskedLMLoss, type MaskedLMHead } from './masked-lm-loss.ts';
import { problemTypeOf, type Labels } from './problem-type.ts';
import { spanLoss } from './span-loss.ts';
import { tokenLoss } from './token-loss.ts';

/** What an encoder makes of its tokens. */
export interface Encoded {
  /** (B, T, C). */
  readonly last: Tensor;
  /** The embeddings and the output of every layer, (B, T, C) each. */
  readonly all: readonly Tensor[];
  /** Attention's weights of every layer, (B, H, T, T) each; traced when asked for. */
  readonly attentions: readonly (() => Tensor)[];
}

type Tensors = Readonly<Record<string, Tensor>>;
/** What a network takes, by name. */
export type Inputs = Readonly<Record<string, NetworkInput>>;

const optional = (...shape: string[]): NetworkInput => ({ dtype: 'int64', shape, optional: true });

/** Token ids; a mask that is 0 at padding; positions other than the usual ones. */
export const encoderInputs: Inputs = {
  input_ids: { dtype: 'int64', shape: ['B', 'T'] },
  attention_mask: optional('B', 'T'),
  position_ids: optional('B', 'T'),
};

/** {@link encoderInputs}, and which of two segments each token belongs to. */
export const segmentInputs: Inputs = { ...encoderInputs, token_type_ids: optional('B', 'T') };

/** A label for every token. */
export const tokenLabels: Inputs = { labels: optional('B', 'T') };
/** A label for every row. */
export const rowLabels: Inputs = { labels: optional('B') };
/** The first and last token of a span. */
export const spanLabels: Inputs = { start_positions: optional('B'), end_positions: optional('B') };

/** The inputs of multiple choice: those of an encoder for each of N choices, and which of them is right. */
export const choiceInputs = (inputs: Inputs): Inputs => ({
  ...Object.fromEntries(Object.entries(inputs).map(([name, one]) => [name, { ...one, shape: ['B', 'N', 'T'] }])),
  ...rowLabels,
});

/** (B, N, T) inputs as (B·N, T), so that each choice is a row. */
export function choicesAsRows(inputs: Tensors): Tensors {
  return Object.fromEntries(
    Object.entries(inputs).flatMap(([name, x]) => {
      if (name === 'labels') return [];
      if (x.rank !== 3) throw new GraphError(`multiple choice: ${name} ${show(x.shape)}; needs (B, N, T)`);
      return [[name, x.reshape([-1, x.shape[2]!])]];
    }),
  );
}

/** `last_hidden_state`, `hidden_states.i` and `attentions.i`. */
export const encoderOutputs = (encoded: Encoded): Outputs => ({
  last_hidden_state: () => encoded.last,
  ...layerOutputs(encoded),
});

/** `logits` (B, N), and with labels `loss` and, for one label of many, its `log_probs` (B). */
export function classifierOutputs(score: () => Tensor, given: Tensor | undefined, labels: Labels): Outputs {
  const logits = once(score);
  return {
    logits,
    ...(given && { loss: () => classificationLoss(logits(), given, labels.problemType) }),
    ...(given &&
      problemTypeOf(labels, given.dtype) === 'single_label_classification' && {
        log_probs: () => labelLogProbs(logits(), given),
      }),
  };
}

/** `logits` (B, T, N), and with labels `loss` and `log_probs` (B, T). */
export function tokenClassifierOutputs(score: () => Tensor, labels: Tensor | undefined): Outputs {
  const logits = once(score);
  return {
    logits,
    ...(labels && { loss: () => tokenLoss(logits(), labels), log_probs: () => labelLogProbs(logits(), labels) }),
  };
}

/** `start_logits` and `end_logits` (B, T) of scores (B, T, 2), and with both positions `loss`. */
export function spanOutputs(score: () => Tensor, { start_positions, end_positions }: Tensors): Outputs {
  const ends = once(score);
  const end = (i: number): Tensor => squeeze(split(ends(), 2, 2)[i]!, 2);
  return {
    start_logits: () => end(0),
    end_logits: () => end(1),
    ...(start_positions &&
      end_positions && {
        loss: () =>
          spanLoss({
            startLogits: end(0),
            endLogits: end(1),
            startPositions: start_positions,
            endPositions: end_positions,
          }),
      }),
  };
}

/** `logits` (B, N) of scores (B·N, 1), and with labels `loss` and `log_probs` (B). */
export function choiceOutputs(score: () => Tensor, { input_ids: ids, labels }: Tensors): Outputs {
  const logits = once(() => reshapeLike(score(), squeeze(slice(ids!, 2, 0, 1), 2)));
  return {
    logits,
    ...(labels && { loss: () => tokenLoss(logits(), labels), log_probs: () => labelLogProbs(logits(), labels) }),
  };
}

/** `logits` (B, T, V), and with labels `loss` and `log_probs` (B, T). */
export function maskedLMOutputs(hidden: Tensor, head: MaskedLMHead, labels: Tensor | undefined): Outputs {
  const logits = once(() => maskedLMLogits(hidden, head));
  return {
    logits,
    ...(labels && {
      loss: () => maskedLMLoss(hidden, labels, head),
      log_probs: () => labelLogProbs(logits(), labels),
    }),
  };
}

/** The logits of a masked language model for hidden states (B, T, C): (B, T, V). */
export const maskedLMLogits = (hidden: Tensor, { transform, weight, bias }: MaskedLMHead): Tensor =>
  affine(transform(hidden), weight, bias, { transB: true });
