// What encoders give by name, and what their heads add, as Hugging Face's models do.
import { reshapeLike, slice, split, squeeze, type Tensor } from '@brickwork/graph';
import { affine, type Outputs } from '@brickwork/nn';
import { layerOutputs, once } from '../causal-outputs.ts';
import { classificationLoss } from './classification-loss.ts';
import type { Tensors } from './encoder-inputs.ts';
import { hiddenLogProbs, labelLogProbs } from './label-log-probs.ts';
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
      log_probs: () => hiddenLogProbs(hidden, labels, (x) => maskedLMLogits(x, head)),
    }),
  };
}

/** The logits of a masked language model for hidden states (B, T, C): (B, T, V). */
export const maskedLMLogits = (hidden: Tensor, { transform, weight, bias }: MaskedLMHead): Tensor =>
  affine(transform(hidden), weight, bias, { transB: true });
