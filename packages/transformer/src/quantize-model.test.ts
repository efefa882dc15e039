// What few bits cost, told by brick.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initialize } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { afterAll, expect, test } from 'vitest';
import { architectures } from './architectures/index.ts';
import { buildNetwork } from './architecture.ts';
import { Model } from './model.ts';
import { loadModel } from './pretrained.ts';
import { brickOf, quantizeModel, sensitivity, storedTypes } from './quantize-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-quantize-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const config = { model_type: 'gpt2', vocab_size: 64, n_positions: 32, n_embd: 64, n_layer: 2, n_head: 2 };
function fresh(): Model {
  const built = buildNetwork(config, architectures, 'GPT2LMHeadModel');
  const weights = [...initialize(built.network, 5)].map(([name, { data, shape }]): [string, HostTensor] => [
    name,
    // Far from small, so that the model is sure of something.
    hostTensor(
      (data as Float32Array).map((v) => 6 * v),
      shape as number[],
    ),
  ]);
  return new Model({ ...built, weights: new Map(weights), config });
}

test('products and tables are in blocks, norms and biases not', () => {
  const blocks = quantizeModel(fresh(), { dtype: 'int4' });
  expect([...new Set([...blocks.keys()].map(brickOf))]).toEqual([
    'transformer.wte',
    'transformer.wpe',
    'transformer.h.*.attn.c_attn',
    'transformer.h.*.attn.c_proj',
    'transformer.h.*.mlp.c_fc',
    'transformer.h.*.mlp.c_proj',
  ]);
  const kept = quantizeModel(fresh(), { dtype: 'int4', dtypeOf: (name) => (name.includes('wte') ? 'int8' : 'fp32') });
  expect([...kept].map(([name, { bits }]) => [name, bits])).toEqual([['transformer.wte.weight', 8]]);
});

test('a saved folder opens as any other, and its decoders hold what it holds', async () => {
  const model = fresh();
  const dtypeOf = (name: string): 'int8' | 'int4' => (name.includes('wte') ? 'int8' : 'int4');
  await model.save(folder, { blocks: quantizeModel(model, { dtype: 'int4', dtypeOf, blockSize: 32 }) });
  const read = await loadModel(folder);
  const types = storedTypes(read.config);
  expect([types.dtype, types.blockSize]).toEqual(['int4', 32]);
  expect(types.dtypeOf!('transformer.wte.weight')).toBe('int8');
  expect(types.dtypeOf!('transformer.h.1.mlp.c_fc.weight')).toBe('int4');
  expect(types.dtypeOf!('transformer.ln_f.weight')).toBe('fp32');
  const logits = async (one: Model, options?: Parameters<Model['decoder']>[0]): Promise<Float32Array> => {
    const decoder = one.decoder(options);
    const found = Float32Array.from(await decoder.prefill([[1, 2, 3]]));
    await decoder.dispose();
    return found;
  };
  const own = await logits(read);
  const same = await logits(model, { dtype: 'int4', dtypeOf, blockSize: 32 });
  // The same blocks, made anew from their own values: to float32's rounding of the scales.
  own.forEach((x, i) => expect(Math.abs(x - same[i]!)).toBeLessThan(1e-3));
  const whole = await logits(model, {});
  expect(Math.max(...own.map((x, i) => Math.abs(x - whole[i]!)))).toBeGreaterThan(1e-3);
  await read.dispose();
});

test('a brick costs no more than float32 where it is kept, and all cost something', async () => {
  const model = fresh();
  const texts = [Array.from({ length: 30 }, (_, i) => (i * 7) % 64), [1, 2, 3]];
  const found = [];
  for await (const one of sensitivity(model, { dtype: 'int4', texts })) found.push(one);
  expect(found.map((one) => one.brick)).toEqual([
    null,
    ...[...new Set([...quantizeModel(model, { dtype: 'int4' }).keys()].map(brickOf))],
  ]);
  expect(found[0]!.weights).toBe(found.slice(1).reduce((n, one) => n + one.weights, 0));
  for (const { change } of found) expect(change).not.toBe(0);
  const dtypeOf = (): 'fp32' => 'fp32';
  const { value } = await sensitivity(model, { dtype: 'int4', dtypeOf, texts }).next();
  expect(value!.change).toBe(0);
  await expect(sensitivity(model, { dtype: 'int4', texts: [[1]] }).next()).rejects.toThrow('text 0 has 1 tokens');
});
