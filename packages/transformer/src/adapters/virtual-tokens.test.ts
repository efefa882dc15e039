// Learned tokens before texts of any size, and generation after them.
import { initialize } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { describe, expect, test } from 'vitest';
import { architectures } from '../architectures/index.ts';
import { buildNetwork } from '../architecture.ts';
import { generateTokens } from '../generation/generate-tokens.ts';
import { Model } from '../model.ts';
import { readAdapterConfig, type PromptConfig } from './peft-config.ts';
import { WithVirtualTokens } from './virtual-tokens.ts';

const gpt2 = { model_type: 'gpt2', vocab_size: 17, n_positions: 24, n_embd: 16, n_layer: 2, n_head: 2 };
const llama = {
  model_type: 'llama',
  vocab_size: 17,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 24,
};
const n = 3;

function adapted(config: Record<string, unknown>, peft_type: string): Model {
  const built = buildNetwork(config, architectures);
  const network = new WithVirtualTokens(
    built.network,
    readAdapterConfig({ peft_type, num_virtual_tokens: n }) as PromptConfig,
  );
  const weights = new Map(
    [...initialize(network, 5)].map(([name, { data, shape }]) => [
      name,
      hostTensor(
        data.map((v, i) => 3 * v + 0.1 * Math.sin(i * 1.3)),
        shape,
      ),
    ]),
  );
  return new Model({ ...built, network, weights, config }, { threads: 1 });
}

const ids = (rows: readonly (readonly number[])[]): HostTensor =>
  hostTensor(BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);

describe.each([
  ['gpt2', gpt2],
  ['llama', llama],
])('%s', (_, config) => {
  test.each(['PROMPT_TUNING', 'PREFIX_TUNING'])('%s runs on batches of any size', async (peft_type) => {
    const model = adapted(config, peft_type);
    const first = peft_type === 'PROMPT_TUNING' ? n : 0;
    const text = [4, 9, 1, 16, 2];
    const logitsOf = async (rows: readonly (readonly number[])[]): Promise<HostTensor> =>
      (await model.run({ input_ids: ids(rows) }, ['logits']))['logits']!;
    const whole = await logitsOf([text]);
    expect(whole.shape).toEqual([1, first + 5, 17]);
    const two = await logitsOf([text.slice(0, 3), [7, 7, 7]]);
    expect(two.shape).toEqual([2, first + 3, 17]);
    // What a token sees is the same in either batch.
    const end = (first + 3) * 17;
    for (let i = first * 17; i < end; i++) expect(two.data[i]).toBeCloseTo(Number(whole.data[i]), 5);
    // The learned tokens matter.
    const without = new Map(model.weights).set(
      'prompt_embeddings',
      hostTensor(new Float32Array(model.weights.get('prompt_embeddings')!.data.length), [
        ...model.weights.get('prompt_embeddings')!.shape,
      ]),
    );
    const { logits } = await model.run({ input_ids: ids([text]) }, ['logits'], { weights: without });
    expect(Math.abs(Number(logits!.data.at(-1)) - Number(whole.data.at(-1)))).toBeGreaterThan(1e-4);
    await model.dispose();
  });

  test.each(['PROMPT_TUNING', 'PREFIX_TUNING'])('%s generates what it computes at once', async (peft_type) => {
    const model = adapted(config, peft_type);
    const decoder = model.decoder({ threads: 1 });
    expect(decoder.contextLength).toBe(24 - n);
    const prompts = [[4, 9, 1], [5]];
    const found: number[][] = [[], []];
    for await (const { row, id } of generateTokens(decoder, prompts, { maxNewTokens: 6, doSample: false }))
      found[row]!.push(id);
    for (const [row, prompt] of prompts.entries()) {
      const text = [...prompt];
      for (let step = 0; step < 6; step++) {
        const { logits } = await model.run({ input_ids: ids([text]) }, ['logits']);
        const last = [...(logits!.data as Float32Array)].slice(-17);
        text.push(last.indexOf(Math.max(...last)));
      }
      expect(found[row], `row ${row}`).toEqual(text.slice(prompt.length));
    }
    // Full at what is left beside the learned tokens.
    await decoder.prefill([Array<number>(24 - n).fill(1)]);
    await expect(decoder.step([1])).rejects.toThrow('the context of 21 tokens is full');
    await expect(decoder.prefill([Array<number>(25 - n).fill(1)])).rejects.toThrow('has 22 tokens');
    await decoder.dispose();
    await model.dispose();
  });
});
