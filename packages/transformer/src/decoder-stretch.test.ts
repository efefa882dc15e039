// Several tokens at once are what they are one by one, also where rotary positions stretch with the text.
import { expect, test } from 'vitest';
import { initialize } from '@brickwork/nn';
import { hostTensor } from '@brickwork/runtime';
import { LlamaForCausalLM } from './architectures/llama.ts';
import { CachedDecoder } from './decoder.ts';

test('beyond max_position_embeddings, tokens appended together turn as those appended one by one', async () => {
  const model = new LlamaForCausalLM({
    ...{ vocab_size: 11, hidden_size: 16, intermediate_size: 12, num_hidden_layers: 2, num_attention_heads: 2 },
    max_position_embeddings: 4,
    rope_scaling: { type: 'dynamic', factor: 4 },
  });
  const weights = new Map(
    [...initialize(model, 1)].map(([name, { data, shape }]) => [
      name,
      hostTensor(
        data.map((v) => 20 * v),
        shape,
      ),
    ]),
  );
  const decoder = new CachedDecoder(model, weights);
  const next = [5, 6, 7, 8];
  await decoder.prefill([[1, 2, 3]]);
  const single: number[] = [];
  for (const id of next) single.push(...(await decoder.step([id])));
  await decoder.prefill([[1, 2, 3]]);
  const together = await decoder.stepMany([next]);
  expect(together.length).toBe(single.length);
  single.forEach((value, i) => expect(Math.abs(together[i]! - value)).toBeLessThan(1e-4));
  await decoder.dispose();
});
