// Encoders against PyTorch: outputs to 1e-4 where the mask is 1, the loss to 1e-5, and gradients to 1e-3 of each tensor's
// largest value, as float32 sums in another order differ by about 1e-6.
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { gradients, input } from '../../packages/graph/src/index.ts';
import { evaluating, parameters, type Network } from '../../packages/nn/src/index.ts';
import {
  compile,
  hostTensor,
  readSafetensors,
  saveCheckpoint,
  type HostTensor,
} from '../../packages/runtime/src/index.ts';
import { architectures, buildNetwork, loadModel, loadWeights } from '../../packages/transformer/src/index.ts';
import { difference, fixture, hasShared, sharedPath, type Fixture } from '../fixtures.ts';

const names = hasShared
  ? readdirSync(sharedPath('fixtures/checkpoints')).filter((name) => /^(distil|ro)?berta?_/.test(name))
  : ['none'];

interface Opened {
  readonly network: Network;
  readonly weights: Map<string, HostTensor>;
}
function open(f: Fixture): Opened {
  const { network, architecture } = buildNetwork(f.config, architectures);
  return { network, weights: loadWeights(parameters(network), f.weights, architecture) };
}

/** Largest difference where the mask is 1. */
function visibleDifference(actual: HostTensor, expected: HostTensor, mask: HostTensor): number {
  const perToken = expected.shape.length > 1 && expected.shape[1] === mask.shape[1];
  const size = perToken ? expected.data.length / mask.data.length : 0;
  const keep = (_: unknown, i: number): boolean => !perToken || Number(mask.data[Math.floor(i / size)]) === 1;
  const seen = ({ data }: HostTensor): HostTensor => hostTensor(Float32Array.from(data as Float32Array).filter(keep));
  return difference(seen(actual), seen(expected)).absolute;
}

describe.skipIf(!hasShared).each(names)('%s (needs ../shared)', (name) => {
  test('outputs, loss and every gradient are PyTorch’s', async () => {
    const f = await fixture(name);
    const { network, weights } = open(f);
    const given = Object.fromEntries([...f.inputs].map(([n, t]) => [n, input(n, t.shape, t.dtype)]));
    const outputs = network.trace(given, evaluating());
    const wanted = Object.fromEntries([...f.expected.keys()].map((n) => [n, outputs[n]!()]));
    const known = parameters(network);
    if (f.grads.size) {
      const loss = outputs['loss']!();
      const slopes = gradients(loss, [...known.values()]);
      Object.assign(wanted, { loss }, Object.fromEntries([...known.keys()].map((n, i) => [`grad.${n}`, slopes[i]!])));
    }
    const program = await compile(wanted);
    const out = await program.run(new Map([...weights, ...f.inputs]));
    for (const [n, expected] of f.expected)
      expect(visibleDifference(out[n]!, expected, f.inputs.get('attention_mask')!), n).toBeLessThan(1e-4);
    if (f.grads.size) expect(Math.abs(Number(out['loss']!.data[0]) - f.json.loss)).toBeLessThan(1e-5);
    // A gradient that is 0 by its formula (softmax doesn't see what is added to all of its scores) holds rounding errors
    // only: those of sums whose terms are as large as the other gradients.
    const largest = Math.max(...[...f.grads.values()].map((t) => Math.max(...(t.data as Float32Array).map(Math.abs))));
    expect([...f.grads.keys()].toSorted()).toEqual(f.grads.size ? [...known.keys()].toSorted() : []);
    for (const [n, expected] of f.grads) {
      const { absolute, relative } = difference(out[`grad.${n}`]!, expected);
      if (absolute > 1e-7 * largest) expect(relative, n).toBeLessThan(1e-3);
    }
    await program.dispose();
  });

  test('one graph for any batch and length gives the same outputs and loss', async () => {
    const f = await fixture(name);
    const model = await loadModel(f.folder);
    const wanted = [...f.expected.keys(), ...(f.grads.size ? ['loss'] : [])];
    const out = await model.run(Object.fromEntries(f.inputs), wanted);
    for (const [n, expected] of f.expected)
      expect(visibleDifference(out[n]!, expected, f.inputs.get('attention_mask')!), n).toBeLessThan(1e-4);
    if (f.grads.size) expect(Math.abs(Number(out['loss']!.data[0]) - f.json.loss)).toBeLessThan(1e-5);
    await model.dispose();
  });

  test('parameters have the names that the checkpoint has, and are saved as the same bytes', async () => {
    const f = await fixture(name);
    const { network, weights } = open(f);
    const { tensors } = await readSafetensors(`${f.folder}/model.safetensors`);
    expect([...parameters(network).keys()].toSorted()).toEqual([...tensors.keys()].toSorted());
    const scratch = await mkdtemp(join(tmpdir(), 'brickwork-'));
    await saveCheckpoint(join(scratch, 'saved'), { config: f.config, tensors: weights });
    const again = await readSafetensors(join(scratch, 'saved', 'model.safetensors'));
    for (const [n, { data, shape }] of tensors) {
      expect(again.tensors.get(n)!.shape, n).toEqual(shape);
      expect(again.tensors.get(n)!.data, n).toEqual(data);
    }
    expect(JSON.parse(await readFile(join(scratch, 'saved', 'config.json'), 'utf8'))).toEqual(f.config);
    await rm(scratch, { recursive: true });
  });
});
