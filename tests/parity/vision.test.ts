// Image networks against PyTorch: outputs to 1e-4, the loss to 1e-5, and gradients to 1e-3 of each tensor's largest value,
// as float32 sums in another order differ by about 1e-6.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { gradients, input } from '../../packages/graph/src/index.ts';
import { evaluating, parameters, trainable } from '../../packages/nn/src/index.ts';
import { compile, readSafetensors, type HostTensor } from '../../packages/runtime/src/index.ts';
import { AutoModel, buildNetwork, loadWeights, Model } from '../../packages/transformer/src/index.ts';
import { visionArchitectures } from '../../packages/vision/src/index.ts';
import { difference, fixture, hasShared, type Fixture } from '../fixtures.ts';

function open(f: Fixture, className?: string): Model {
  const built = buildNetwork(f.config, visionArchitectures, className);
  const weights = loadWeights(parameters(built.network), f.weights, built.architecture);
  return new Model({ ...built, weights, config: f.config });
}

describe.skipIf(!hasShared).each(['resnet', 'vit', 'clip', 'vit_mae'])('%s (needs ../shared)', (name) => {
  test('outputs, loss and every gradient are PyTorch’s', async () => {
    const f = await fixture(name);
    const { network, weights } = open(f);
    const given = Object.fromEntries([...f.inputs].map(([n, t]) => [n, input(n, t.shape, t.dtype)]));
    const outputs = network.trace(given, evaluating());
    const wanted = Object.fromEntries([...f.expected.keys()].map((n) => [n, outputs[n]!()]));
    const known = trainable(network);
    if (f.grads.size) {
      const loss = outputs['loss']!();
      const slopes = gradients(loss, [...known.values()]);
      Object.assign(wanted, { loss }, Object.fromEntries([...known.keys()].map((n, i) => [`grad.${n}`, slopes[i]!])));
    }
    const program = await compile(wanted);
    const used = new Set(program.inputs.map((one) => one.name));
    const out = await program.run(new Map([...weights, ...f.inputs].filter(([n]) => used.has(n))));
    for (const [n, expected] of f.expected) {
      expect(out[n]!.shape, n).toEqual(expected.shape);
      expect(difference(out[n]!, expected).absolute, n).toBeLessThan(1e-4);
    }
    if (f.grads.size) expect(Math.abs(Number(out['loss']!.data[0]) - f.json.loss)).toBeLessThan(1e-5);
    // A gradient that is 0 by its formula (softmax doesn't see what is added to all of its scores) holds rounding errors
    // only: those of sums whose terms are as large as the other gradients.
    const largest = Math.max(...[...f.grads.values()].map((t) => Math.max(...(t.data as Float32Array).map(Math.abs))));
    if (f.grads.size) expect([...f.grads.keys()].toSorted()).toEqual([...known.keys()].toSorted());
    for (const [n, expected] of f.grads) {
      const { absolute, relative } = difference(out[`grad.${n}`]!, expected);
      if (absolute > 1e-7 * largest) expect(relative, n).toBeLessThan(1e-3);
    }
    await program.dispose();
  });

  test('one graph for any batch gives the same outputs and loss, and an image alone what it gives among others', async () => {
    const f = await fixture(name);
    const model = open(f);
    const wanted = [...f.expected.keys(), ...(f.grads.size ? ['loss'] : [])];
    const out = await model.run(Object.fromEntries(f.inputs), wanted);
    for (const [n, expected] of f.expected) expect(difference(out[n]!, expected).absolute, n).toBeLessThan(1e-4);
    if (f.grads.size) expect(Math.abs(Number(out['loss']!.data[0]) - f.json.loss)).toBeLessThan(1e-5);
    const first = ({ data, shape, dtype }: HostTensor): HostTensor => ({
      data: data.slice(0, data.length / shape[0]!),
      shape: [1, ...shape.slice(1)],
      dtype,
    });
    const each = name === 'clip' ? ['image_embeds', 'text_embeds'] : ['logits'];
    const inputs = Object.fromEntries([...f.inputs].map(([n, t]) => [n, first(t)]));
    const alone = await model.run(inputs, each);
    for (const n of each) expect(difference(alone[n]!, first(f.expected.get(n)!)).absolute, n).toBeLessThan(1e-5);
    await model.dispose();
  });

  test('parameters have the names that the checkpoint has, and are saved as the same bytes', async () => {
    const f = await fixture(name);
    const model = open(f);
    const { tensors } = await readSafetensors(`${f.folder}/model.safetensors`);
    expect([...parameters(model.network).keys()].toSorted()).toEqual([...tensors.keys()].toSorted());
    const scratch = await mkdtemp(join(tmpdir(), 'brickwork-'));
    await model.save(join(scratch, 'saved'));
    const again = await readSafetensors(join(scratch, 'saved', 'model.safetensors'));
    for (const [n, tensor] of tensors) expect(again.tensors.get(n), n).toEqual(tensor);
    expect(again.tensors.size).toBe(tensors.size);
    await rm(scratch, { recursive: true });
  });
});

test.skipIf(!hasShared)('AutoModel opens image networks where it is told of them (needs ../shared)', async () => {
  const f = await fixture('vit');
  const model = await AutoModel.fromPretrained(f.folder, { architectures: visionArchitectures });
  const { logits } = await model.run({ pixel_values: f.inputs.get('pixel_values')! }, ['logits']);
  expect(difference(logits!, f.expected.get('logits')!).absolute).toBeLessThan(1e-4);
  await model.dispose();
  await expect(AutoModel.fromPretrained(f.folder)).rejects.toThrow('model_type is "vit"; known are');
});
