// A model with an adapter leaves with it inside, or with its values as inputs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initialize } from '@brickwork/nn';
import { compile, hostTensor, type HostTensor } from '@brickwork/runtime';
import { afterAll, expect, test } from 'vitest';
import { adaptNetwork } from '../adapters/adapt.ts';
import { readAdapterConfig } from '../adapters/peft-config.ts';
import { buildNetwork } from '../architecture.ts';
import { architectures } from '../architectures/index.ts';
import { Model } from '../model.ts';
import { exportModel } from './export-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-export-adapter-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const config = { model_type: 'gpt2', vocab_size: 17, n_positions: 24, n_embd: 16, n_layer: 2, n_head: 2 };
function adapted(): Model {
  const built = buildNetwork(config, architectures, 'GPT2LMHeadModel');
  const lora = readAdapterConfig({ peft_type: 'LORA', r: 4, lora_alpha: 8, target_modules: ['c_attn', 'c_fc'] });
  const network = adaptNetwork(built.network, lora);
  const weights = [...initialize(network, 5)].map(([name, { data, shape }]): [string, HostTensor] => [
    name,
    // An adapter begins without effect: this one has some.
    hostTensor(
      (data as Float32Array).map((v, i) => v + 0.2 * Math.sin(i * 1.7 + name.length)),
      shape as number[],
    ),
  ]);
  return new Model({ ...built, network, weights: new Map(weights), config });
}
const isLora = (name: string): boolean => name.includes('lora_');

test('inside, the file needs what the model’s does', async () => {
  const { files, check } = await exportModel(adapted(), join(folder, 'inside'));
  expect(files[0]!.inputs.some(({ name }) => isLora(name))).toBe(false);
  expect(check!.difference).toBeLessThan(1e-4);
});

test('as inputs, other values give other results, and the same the same', async () => {
  const model = adapted();
  const { files, check } = await exportModel(model, join(folder, 'inputs'), { weightInputs: isLora });
  const names = files[0]!.inputs.map(({ name }) => name).filter(isLora);
  expect(names).toHaveLength(2 * 2 * 2);
  expect(check!.difference).toBeLessThan(1e-4);
  const program = await compile(files[0]!.file);
  const logits = async (factor: number): Promise<number[]> => {
    const values = [...model.weights].filter(([name]) => isLora(name));
    const int64 = (...of: bigint[]): HostTensor => hostTensor(BigInt64Array.from(of), [1, of.length]);
    const feeds = new Map<string, HostTensor>([
      ['input_ids', int64(1n, 2n)],
      ['attention_mask', int64(1n, 1n)],
      ['position_ids', int64(0n, 1n)],
      ...values.map(([name, { data, shape }]): [string, HostTensor] => [
        name,
        hostTensor(
          (data as Float32Array).map((v) => factor * v),
          shape,
        ),
      ]),
    ]);
    for (const { name } of program.inputs)
      if (name.startsWith('past')) feeds.set(name, hostTensor(new Float32Array(0), [1, 2, 0, 8]));
    return Array.from((await program.run(feeds))['logits']!.data as Float32Array);
  };
  const own = await logits(1);
  const input = hostTensor(BigInt64Array.of(1n, 2n), [1, 2]);
  const expected = (await model.run({ input_ids: input }, ['logits']))['logits']!.data as Float32Array;
  own.forEach((x, i) => expect(Math.abs(x - expected[i]!)).toBeLessThan(1e-4));
  const none = await logits(0);
  expect(Math.max(...none.map((x, i) => Math.abs(x - own[i]!)))).toBeGreaterThan(0.01);
  await program.dispose();
});
