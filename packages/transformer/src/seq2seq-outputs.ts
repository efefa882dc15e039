// What an encoder-decoder takes and gives by name, as Hugging Face's models do.
import type { Tensor } from '@brickwork/graph';
import { ignoreIndex, type Context, type NetworkInput, type Outputs } from '@brickwork/nn';
import { once } from './causal-outputs.ts';
import type { Encoded } from './heads/encoder-outputs.ts';
import { hiddenLogProbs } from './heads/label-log-probs.ts';
import { paddingMask } from './mask.ts';
import type { Decoded, EncoderDecoder, Seq2Seq } from './seq2seq.ts';
import { shiftRight } from './shift-right.ts';

type Inputs = Readonly<Record<string, NetworkInput>>;

/** Token ids of source and target, and masks that are 0 at padding. */
export function encoderDecoderInputs(sourceVocabulary: number, vocabulary: number = sourceVocabulary): Inputs {
  const optional = { dtype: 'int64', optional: true } as const;
  return {
    input_ids: { dtype: 'int64', shape: ['B', 'S'], ids: { count: sourceVocabulary } },
    attention_mask: { ...optional, shape: ['B', 'S'] },
    decoder_input_ids: { ...optional, shape: ['B', 'T'], ids: { count: vocabulary } },
    decoder_attention_mask: { ...optional, shape: ['B', 'T'] },
  };
}

/** {@link encoderDecoderInputs} and labels, from which the decoder's inputs follow where they aren't given. */
export const seq2seqInputs = (sourceVocabulary: number, vocabulary: number = sourceVocabulary): Inputs => ({
  ...encoderDecoderInputs(sourceVocabulary, vocabulary),
  labels: { dtype: 'int64', shape: ['B', 'T'], optional: true, ids: { count: vocabulary, except: ignoreIndex } },
});

type Tensors = Readonly<Record<string, Tensor>>;

/** Special tokens of targets; null where config.json doesn't name them. */
export interface TargetTokens {
  readonly start: number | null;
  readonly pad: number | null;
}

/** The decoder's inputs that belong to labels, or to a source that is to be written again. */
export function targetsOf(labels: Tensor, who: string, { start, pad }: TargetTokens): Tensor {
  if (start === null || pad === null)
    throw new Error(
      `${who} config: ${start === null ? 'decoder_start_token_id' : 'pad_token_id'} is null, but the decoder's inputs are to follow from the labels; set it, or give decoder_input_ids`,
    );
  return shiftRight(labels, { start, pad });
}

/** Both halves' results. */
export interface Passed {
  readonly encoded: Encoded;
  /** Null where there is no target. */
  readonly decoded: Decoded | null;
}

/** One pass through encoder and decoder. */
export function passThrough(model: EncoderDecoder, inputs: Tensors, targets: Tensor | undefined, ctx: Context): Passed {
  const { input_ids: ids, attention_mask: padding, decoder_attention_mask: attentionMask } = inputs;
  const encoded = model.encode(ids!, ctx, padding);
  if (!targets) return { encoded, decoded: null };
  const memory = { layers: model.remember(encoded.last, ctx), mask: padding ? paddingMask(padding) : null };
  return { encoded, decoded: model.decode(targets, ctx, memory, attentionMask ? { attentionMask } : {}) };
}

const numbered = (name: string, all: readonly (() => Tensor)[]): [string, () => Tensor][] =>
  all.map((trace, i) => [`${name}.${i}`, trace]);

/** Hidden states and attention's weights of both halves, by name. */
export function passedOutputs({ encoded, decoded }: Passed): Outputs {
  const given = (all: readonly Tensor[]): (() => Tensor)[] => all.map((x) => () => x);
  return Object.fromEntries([
    ['encoder_last_hidden_state', () => encoded.last],
    ...numbered('encoder_hidden_states', given(encoded.all)),
    ...numbered('encoder_attentions', encoded.attentions),
    ...(decoded
      ? [
          ...numbered('decoder_hidden_states', given(decoded.all)),
          ...numbered('decoder_attentions', decoded.attentions),
          ...numbered('cross_attentions', decoded.crossAttentions),
        ]
      : []),
  ]);
}

/** One pass without a head: `last_hidden_state` (B, T, C), the encoder's, and those of every layer. */
export function encoderDecoderOutputs(
  model: EncoderDecoder,
  inputs: Tensors,
  targets: Tensor | undefined,
  ctx: Context,
): Outputs {
  const passed = passThrough(model, inputs, targets, ctx);
  const { decoded } = passed;
  return { ...(decoded && { last_hidden_state: () => decoded.last }), ...passedOutputs(passed) };
}

/**
 * One pass of an encoder-decoder that writes text: `logits` (B, T, V), hidden states and attentions of both halves and,
 * where labels are given, `loss` and `log_probs` (B, T), ln p of each label, 0 for labels of -100. Without a target only
 * what the encoder gives.
 */
export function seq2seqOutputs(model: Seq2Seq, inputs: Tensors, targets: Tensor | undefined, ctx: Context): Outputs {
  const passed = passThrough(model, inputs, targets, ctx);
  const { decoded } = passed;
  const { labels } = inputs;
  if (!decoded) return passedOutputs(passed);
  const logits = once(() => model.head(decoded.last));
  return {
    logits,
    ...(labels && {
      loss: () => model.loss(decoded.last, labels),
      log_probs: () => hiddenLogProbs(decoded.last, labels, (x) => model.head(x)),
    }),
    ...passedOutputs(passed),
  };
}
