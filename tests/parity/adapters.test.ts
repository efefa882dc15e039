// Adapters against PEFT: logits to 1e-4, the loss to 1e-5, gradients to 1e-3 of each tensor's largest value; merged
// weights give the adapted logits to 1e-5.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { gradients, input } from '../../packages/graph/src/index.ts';
import { evaluating, parameters } from '../../packages/nn/src/index.ts';
import { assignWeights, compile, readSafetensors, type HostTensor } from '../../packages/runtime/src/index.ts';
import {
  architectures,
  attachAdapter,
  buildNetwork,
  loadModel,
  mergeAdapter,
  Model,
  nameInPeft,
  nameOfPeft,
  readAdapter,
  unmergeAdapter,
} from '../../packages/transformer/src/index.ts';
import { difference, hasShared, sharedPath } from '../fixtures.ts';

describe.skipIf(!hasShared).each(['lora_gpt2', 'lora_llama', 'ia3_llama'])('%s (needs ../shared)', (name) => {
  const folder = sharedPath(`fixtures/adapters/${name}`);
  const read = async (file: string): Promise<Map<string, HostTensor>> =>
    (await readSafetensors(join(folder, file))).tensors;

  test('gives PEFT’s logits, loss and gradients; merged it gives the same logits; its names are PEFT’s', async () => {
    const base = await loadModel(join(folder, 'base'));
    const adapter = await readAdapter(join(folder, 'adapter'));
    const { network } = buildNetwork(base.config, architectures);
    if (adapter.config.peft_type !== 'LORA' && adapter.config.peft_type !== 'IA3') throw new Error('of another kind');
    attachAdapter(network, adapter.config);
    const weights = assignWeights(parameters(network), new Map([...base.weights, ...adapter.tensors]));
    const inputs = await read('inputs.safetensors');
    const expected = await read('expected.safetensors');
    const grads = await read('grads.safetensors');
    const { loss: expectedLoss } = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as { loss: number };

    const given = Object.fromEntries([...inputs].map(([n, { shape, dtype }]) => [n, input(n, shape, dtype)]));
    const { logits, loss } = network.trace(given, evaluating());
    const known = parameters(network);
    const slopes = gradients(
      loss!(),
      [...grads.keys()].map((n) => known.get(nameOfPeft(n))!),
    );
    const program = await compile({
      logits: logits!(),
      loss: loss!(),
      ...Object.fromEntries([...grads.keys()].map((n, i) => [`gradient ${n}`, slopes[i]!])),
    });
    const out = await program.run(new Map([...weights, ...inputs]));
    await program.dispose();
    expect(difference(out['logits']!, expected.get('logits')!).absolute).toBeLessThan(1e-4);
    expect(Math.abs(Number(out['loss']!.data[0]) - expectedLoss)).toBeLessThan(1e-5);
    expect(grads.size).toBeGreaterThan(0);
    for (const [n, g] of grads) expect(difference(out[`gradient ${n}`]!, g).relative, n).toBeLessThan(1e-3);

    // Without the adapter the logits are others.
    const feeds = Object.fromEntries(inputs);
    const plain = await base.run(feeds, ['logits']);
    expect(difference(plain['logits']!, expected.get('logits')!).absolute).toBeGreaterThan(1e-3);
    const merged = mergeAdapter(network, weights);
    expect([...merged.keys()]).toEqual([...base.weights.keys()]);
    const again = new Model({ ...buildNetwork(base.config, architectures), weights: merged, config: base.config });
    const { logits: mergedLogits } = await again.run(feeds, ['logits']);
    expect(difference(mergedLogits!, out['logits']!).absolute).toBeLessThan(1e-5);
    const back = unmergeAdapter(network, new Map([...weights, ...merged]));
    for (const [n, w] of base.weights) expect(difference(back.get(n)!, w).absolute, n).toBeLessThan(1e-6);

    const stored = await read('adapter/adapter_model.safetensors');
    expect([...adapter.tensors.keys()].map(nameInPeft)).toEqual([...stored.keys()]);
  });
});
