// Several texts in one row: each gives what it gives alone.
import { initialize } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { expect, test } from 'vitest';
import { buildNetwork } from './architecture.ts';
import { architectures } from './architectures/index.ts';
import { Model } from './model.ts';

const sizes = {
  vocab_size: 19,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 8,
  max_position_embeddings: 32,
  pad_token_id: 0,
};
const ids = (rows: readonly (readonly number[])[]): HostTensor =>
  hostTensor(BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);
const texts = [
  [4, 9, 1, 12, 2, 7],
  [3, 3, 8],
  [5, 6, 11, 18, 2],
  [10, 13],
];

test.each([
  { model_type: 'gpt2', n_embd: 16, n_head: 2, n_layer: 2, n_positions: 32 },
  { model_type: 'llama' },
  { model_type: 'mistral', sliding_window: 3 },
  { model_type: 'qwen3' },
  { model_type: 'gemma2', sliding_window: 3, query_pre_attn_scalar: 8 },
  { model_type: 'gemma3_text', sliding_window: 3, sliding_window_pattern: 2 },
  { model_type: 'gpt_neox' },
  { model_type: 'opt', ffn_dim: 24, word_embed_proj_dim: 16 },
  { model_type: 'llama', rope_scaling: { rope_type: 'dynamic', factor: 2 } },
])('%o: the loss of packed texts is the mean over the tokens of each alone', async (more) => {
  const config = { ...sizes, ...more };
  const built = buildNetwork(config, architectures);
  const weights = new Map(
    [...initialize(built.network, 3)].map(([name, { data, shape }]) => {
      const other = data.map((v, i) => v + 0.15 * Math.sin(i * 1.9 + name.length));
      return [name, hostTensor(other, shape)];
    }),
  );
  const model = new Model({ ...built, weights, config }, { threads: 1 });
  let [sum, count] = [0, 0];
  const alone: number[] = [];
  for (const text of texts) {
    const input_ids = ids([text]);
    const { loss, log_probs } = await model.run({ input_ids, labels: input_ids }, ['loss', 'log_probs']);
    sum += Number(loss!.data[0]) * (text.length - 1);
    count += text.length - 1;
    alone.push(...(log_probs!.data as Float32Array));
  }
  // Two rows: the first two texts and padding, and the others.
  const row = (
    some: number[][],
    value: (text: number[], t: number, segment: number) => number,
    pad: number,
  ): number[] =>
    [...some.flatMap((text, s) => text.map((_, t) => value(text, t, s + 1))), ...Array<number>(10).fill(pad)].slice(
      0,
      10,
    );
  const both = (value: (text: number[], t: number, segment: number) => number, pad: number): HostTensor =>
    ids([row(texts.slice(0, 2), value, pad), row(texts.slice(2), value, pad)]);
  const input_ids = both((text, t) => text[t]!, 0);
  const segment_ids = both((_, __, segment) => segment, 0);
  const labels = both((text, t) => text[t]!, -100);
  const packed = { input_ids, segment_ids, labels };
  const { loss, log_probs } = await model.run(packed, ['loss', 'log_probs']);
  expect(Math.abs(Number(loss!.data[0]) - sum / count)).toBeLessThan(1e-5);
  const probs = log_probs!.data as Float32Array;
  const own = [...probs.subarray(0, 9), ...probs.subarray(10, 17)];
  own.forEach((v, i) => expect(v, `token ${i}`).toBeCloseTo(alone[i]!, 4));
  // Positions may be given; and without segments the texts see each other.
  const position_ids = both((_, t) => t, 0);
  const given = await model.run({ ...packed, position_ids }, ['loss']);
  expect(Math.abs(Number(given['loss']!.data[0]) - sum / count)).toBeLessThan(1e-5);
  const mixed = await model.run({ input_ids, labels }, ['loss']);
  expect(Math.abs(Number(mixed['loss']!.data[0]) - sum / count)).toBeGreaterThan(1e-3);
  await model.dispose();
});
