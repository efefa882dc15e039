// A decoder as other engines' generation loops drive it: with its cache of keys and values as inputs and outputs, in the names
// that Hugging Face's Optimum and transformers.js use.
import {
  add,
  concat,
  constant,
  greater,
  input,
  less,
  or,
  range,
  sizeOf,
  sub,
  unsqueeze,
  where,
} from '@brickwork/graph';
import type { Tensor } from '@brickwork/graph';
import { evaluating, parameters } from '@brickwork/nn';
import { masked, type Past } from '../attention.ts';
import type { CausalLM } from '../causal-lm.ts';
import { paddingMask } from '../mask.ts';
import type { TracedFile } from './traced-file.ts';

const [B, T, P] = ['batch_size', 'sequence_length', 'past_sequence_length'] as const;
const S = `${P}+${T}`;

/** Names of a layer's keys and values. */
const cacheNames = (prefix: 'past_key_values' | 'present', layer: number): [key: string, value: string] => [
  `${prefix}.${layer}.key`,
  `${prefix}.${layer}.value`,
];

/**
 * The inputs `input_ids`, `attention_mask` (also over the cache), `position_ids`, and `past_key_values.0.key` to
 * `past_key_values.L.value` (B, H, P, D), where P may be 0; and what follows from them: `logits` (B, T, V) and the cache with
 * the new tokens, `present.0.key` to `present.L.value` (B, H, P+T, D).
 */
export function traceWithCache(model: CausalLM): TracedFile {
  parameters(model);
  const { layers, cacheHeads: H, headWidth: D } = model;
  const ids = input('input_ids', [B, T], 'int64');
  const attention = input('attention_mask', [B, S], 'int64');
  const positions = input('position_ids', [B, T], 'int64');
  const past = Array.from({ length: layers }, (_, layer): Past => {
    const [key, value] = cacheNames('past_key_values', layer);
    return { key: input(key, [B, H, P, D]), value: input(value, [B, H, P, D]) };
  });
  const own = add(range(sizeOf(ids, 1), T), sizeOf(past[0]!.key, 2)); // (T): where the new tokens stand
  const at = range(sizeOf(attention, 1), S); // (P+T)
  const padding = paddingMask(attention); // (B, 1, 1, P+T)
  const mask = (window: number | null): Tensor => {
    const later = greater(unsqueeze(at, 0), unsqueeze(own, 1)); // (T, P+T)
    const first = window === null ? null : sub(unsqueeze(own, 1), int64(window - 1));
    const hidden = first ? or(later, less(unsqueeze(at, 0), first)) : later;
    return add(padding, where(hidden, masked, 0)); // (B, 1, T, P+T)
  };
  const lengths = add(positions, int64(1));
  const { last, present } = model.forward(ids, evaluating(), { positions, lengths, mask, past });
  const outputs: Record<string, Tensor> = { logits: model.head(last) };
  present.forEach(({ key, value }, layer) => {
    const [k, v] = cacheNames('present', layer);
    outputs[k] = concat([past[layer]!.key, key], 2);
    outputs[v] = concat([past[layer]!.value, value], 2);
  });
  const inputs = [ids, attention, positions, ...past.flatMap(({ key, value }) => [key, value])];
  return { name: 'model', inputs, outputs };
}

const int64 = (n: number): Tensor => constant(BigInt64Array.of(BigInt(n)), []);
