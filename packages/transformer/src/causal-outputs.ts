// What a causal language model takes and gives by name, as Hugging Face's models do.
import { equal, reshapeLike, where, concat, constant, slice, type Tensor } from '@brickwork/graph';
import { ignoreIndex, type Context, type NetworkInput, type Outputs } from '@brickwork/nn';
import type { CausalLM, Hidden } from './causal-lm.ts';
import { hiddenLogProbs } from './heads/label-log-probs.ts';
import { segmentPositions } from './mask.ts';
import { nextLabels } from './next-token-loss.ts';

/** Token ids below `vocabulary`; a mask that is 0 at padding; and positions other than 0, 1, 2, …. */
export const decoderInputs = (vocabulary: number): Readonly<Record<string, NetworkInput>> => ({
  input_ids: { dtype: 'int64', shape: ['B', 'T'], ids: { count: vocabulary } },
  attention_mask: optional,
  position_ids: optional,
});
const optional = { dtype: 'int64', shape: ['B', 'T'], optional: true } as const;

/**
 * {@link decoderInputs}, the tokens that the loss is of, and which of several texts packed into a row each token is of
 * (`segment_ids`): tokens see those of the same number alone, positions count within each text unless they are given, and
 * no text's end predicts the next one's beginning.
 */
export const causalInputs = (vocabulary: number): Readonly<Record<string, NetworkInput>> => ({
  ...decoderInputs(vocabulary),
  segment_ids: optional,
  labels: { ...optional, ids: { count: vocabulary, except: ignoreIndex } },
});

/** One pass through a decoder's blocks with the inputs of {@link causalInputs}. */
export function decode(
  model: Pick<CausalLM, 'forward'>,
  inputs: Readonly<Record<string, Tensor>>,
  ctx: Context,
): Hidden {
  const { input_ids: ids, attention_mask: attentionMask, segment_ids: segments } = inputs;
  const positions = inputs['position_ids'] ?? (segments && segmentPositions(segments));
  return model.forward(ids!, ctx, {
    ...(attentionMask && { attentionMask }),
    ...(positions && { positions }),
    ...(segments && { segments }),
  });
}

/** `hidden_states.0` (embeddings) to `hidden_states.L` (after the last norm), and `attentions.0` to `attentions.L-1`. */
export function layerOutputs({ all, attentions }: Pick<Hidden, 'all' | 'attentions'>): Outputs {
  return Object.fromEntries([
    ...all.map((x, i) => [`hidden_states.${i}`, () => x] as const),
    ...attentions.map((weights, i) => [`attentions.${i}`, weights] as const),
  ]);
}

/**
 * One pass of a causal language model: `logits` (B, T, V), `last_hidden_state`, `hidden_states.i`, `attentions.i`,
 * `log_probs` (B, T) and, where labels are given, `loss`.
 *
 * `log_probs` holds ln p of each label (each token, without labels) given the tokens before it: 0 for the first, for
 * padding and for labels of -100.
 */
export function causalOutputs(model: CausalLM, inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
  const { input_ids: ids, attention_mask: attentionMask, labels: given, segment_ids: segments } = inputs;
  const hidden = decode(model, inputs, ctx);
  // Nothing in a row says how one of its texts begins.
  const predicted = (labels: Tensor): Tensor =>
    segments ? where(equal(segmentPositions(segments), int64(0)), int64(ignoreIndex), labels) : labels;
  const labels = given && predicted(given);
  const logits = once(() => model.head(hidden.last));
  return {
    logits,
    ...(labels && { loss: () => model.loss(hidden.last, labels) }),
    last_hidden_state: () => hidden.last,
    log_probs: () => {
      const own = labels ?? predicted(ids!);
      const seen = attentionMask ? where(equal(attentionMask, int64(0)), int64(ignoreIndex), own) : own;
      const next = hiddenLogProbs(hidden.last, nextLabels(seen), (x) => model.head(x)); // (B, T): of the token after
      // The last is 0; it goes to the front.
      return reshapeLike(concat([slice(next, 1, -1), slice(next, 1, 0, -1)], 1), next);
    },
    ...layerOutputs(hidden),
  };
}

const int64 = (value: number): Tensor => constant(BigInt64Array.of(BigInt(value)), []);

/** Traces once, however often it is asked for. */
export function once(trace: () => Tensor): () => Tensor {
  let traced: Tensor | null = null;
  return () => (traced ??= trace());
}
