// An encoder-decoder as other engines' generation loops drive it: a file for the encoder, and one for the decoder with its
// caches as inputs and outputs, in the names that Hugging Face's Optimum and transformers.js use.
import { add, concat, gather, greater, input, range, sizeOf, sub, unsqueeze, where } from '@brickwork/graph';
import type { Tensor } from '@brickwork/graph';
import { evaluating, parameters } from '@brickwork/nn';
import { masked, type Past } from '../attention.ts';
import { paddingMask } from '../mask.ts';
import type { Seq2Seq } from '../seq2seq.ts';
import type { TracedFile } from './traced-file.ts';

const [B, S, T, P, R] = [
  'batch_size',
  'encoder_sequence_length',
  'decoder_sequence_length',
  'past_decoder_sequence_length',
  'encoder_sequence_length_out',
] as const;

/** Names of a layer's keys and values of the decoder's own tokens, and of those of the source. */
const cacheNames = (
  prefix: 'past_key_values' | 'present',
  layer: number,
  side: 'decoder' | 'encoder',
): [key: string, value: string] => [`${prefix}.${layer}.${side}.key`, `${prefix}.${layer}.${side}.value`];

/** `encoder_model`: `input_ids` and `attention_mask` (B, S) to `last_hidden_state` (B, S, C). */
export function traceEncoderFile(model: Seq2Seq): TracedFile {
  parameters(model);
  const ids = input('input_ids', [B, S], 'int64');
  const attention = input('attention_mask', [B, S], 'int64');
  const { last } = model.encode(ids, evaluating(), attention);
  return { name: 'encoder_model', inputs: [ids, attention], outputs: { last_hidden_state: last } };
}

/**
 * `decoder_model_merged`: new tokens `input_ids` (B, T), the source (`encoder_hidden_states`, `encoder_attention_mask`) and
 * both caches, which may be empty, to `logits` and what the caches hold then. Keys and values of source positions that the
 * cache has are not computed again: what is new of the source is multiplied, and that is nothing after the first pass.
 */
export function traceDecoderFile(model: Seq2Seq): TracedFile {
  parameters(model);
  const ctx = evaluating();
  const { layers, cacheHeads: H, headWidth: D } = model;
  const ids = input('input_ids', [B, T], 'int64');
  const attention = input('encoder_attention_mask', [B, S], 'int64');
  const hidden = input('encoder_hidden_states', [B, S, width(model)]);
  const pasts = (side: 'decoder' | 'encoder', length: string): Past[] =>
    Array.from({ length: layers }, (_, layer) => {
      const [key, value] = cacheNames('past_key_values', layer, side);
      return { key: input(key, [B, H, length, D]), value: input(value, [B, H, length, D]) };
    });
  const own = pasts('decoder', P);
  const source = pasts('encoder', R);
  const known = sizeOf(source[0]!.key, 2);
  const rest = add(range(sub(sizeOf(hidden, 1), known), 'N'), known); // (N): positions without keys yet
  const whole = (before: Tensor, now: Tensor): Tensor => concat([before, now], 2).reshape([B, H, S, D]);
  const remembered = model.remember(gather(hidden, rest, 1), ctx).map(({ key, value }, layer): Past => ({
    key: whole(source[layer]!.key, key),
    value: whole(source[layer]!.value, value),
  }));
  const before = sizeOf(own[0]!.key, 2);
  const at = add(range(sizeOf(ids, 1), T), before); // (T)
  const all = range(add(before, sizeOf(ids, 1)), `${P}+${T}`);
  const mask = where(greater(unsqueeze(all, 0), unsqueeze(at, 1)), masked, 0); // (T, P+T)
  const zeros = sub(ids, ids);
  const { last, present } = model.decode(
    ids,
    ctx,
    { layers: remembered, mask: paddingMask(attention) },
    {
      positions: add(zeros, at), // (B, T)
      mask,
      past: own,
    },
  );
  const outputs: Record<string, Tensor> = { logits: model.head(last) };
  present.forEach(({ key, value }, layer) => {
    const [k, v] = cacheNames('present', layer, 'decoder');
    outputs[k] = concat([own[layer]!.key, key], 2);
    outputs[v] = concat([own[layer]!.value, value], 2);
    const [sourceKey, sourceValue] = cacheNames('present', layer, 'encoder');
    outputs[sourceKey] = remembered[layer]!.key;
    outputs[sourceValue] = remembered[layer]!.value;
  });
  const inputs = [ids, attention, hidden, ...[...own, ...source].flatMap(({ key, value }) => [key, value])];
  return { name: 'decoder_model_merged', inputs, outputs };
}

// Of the encoder's states.
function width(model: Seq2Seq): number {
  const { last } = model.encode(input('ids', [1, 1], 'int64'), evaluating());
  return last.shape[2] as number;
}
