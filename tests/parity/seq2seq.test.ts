// Encoder-decoders against PyTorch: outputs to 1e-4 where the mask is 1, the loss to 1e-5, and gradients to 1e-3 of each
// tensor's largest value, as float32 sums in another order differ by about 1e-6; generated tokens exactly.
import { mkdtemp, rm } from 'node:fs/promises';
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
import { difference, fixture, hasShared, type Fixture } from '../fixtures.ts';

interface Opened {
  readonly network: Network;
  readonly weights: Map<string, HostTensor>;
}
function open(f: Fixture): Opened {
  const { network, architecture } = buildNetwork(f.config, architectures);
  return { network, weights: loadWeights(parameters(network), f.weights, architecture) };
}

/** Largest difference where the source's mask is 1; everywhere for what has the target's length. */
function visibleDifference(name: string, actual: HostTensor, expected: HostTensor, mask: HostTensor): number {
  expect(actual.shape, name).toEqual(expected.shape);
  if (!name.startsWith('encoder_')) return difference(actual, expected).absolute;
  const size = expected.data.length / mask.data.length;
  const keep = (_: unknown, i: number): boolean => Number(mask.data[Math.floor(i / size)]) === 1;
  const seen = ({ data }: HostTensor): HostTensor => hostTensor(Float32Array.from(data as Float32Array).filter(keep));
  return difference(seen(actual), seen(expected)).absolute;
}

function near(actual: readonly number[], expected: readonly number[], within = 1e-5): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((value, i) => expect(Math.abs(value - expected[i]!), `${i}: ${value}`).toBeLessThan(within));
}

describe.skipIf(!hasShared).each(['t5', 'bart'])('%s (needs ../shared)', (name) => {
  test('outputs, loss and every gradient are PyTorch’s', async () => {
    const f = await fixture(name);
    const { network, weights } = open(f);
    const given = Object.fromEntries([...f.inputs].map(([n, t]) => [n, input(n, t.shape, t.dtype)]));
    const outputs = network.trace(given, evaluating());
    const known = parameters(network);
    const loss = outputs['loss']!();
    const names = [...f.grads.keys()];
    const slopes = gradients(
      loss,
      names.map((n) => known.get(n)!),
    );
    const program = await compile({
      loss,
      ...Object.fromEntries([...f.expected.keys()].map((n) => [n, outputs[n]!()])),
      ...Object.fromEntries(names.map((n, i) => [`grad.${n}`, slopes[i]!])),
    });
    const out = await program.run(
      new Map([...weights, ...f.inputs].filter(([n]) => program.inputs.some((i) => i.name === n))),
    );
    for (const [n, expected] of f.expected)
      expect(visibleDifference(n, out[n]!, expected, f.inputs.get('attention_mask')!), n).toBeLessThan(1e-4);
    expect(Math.abs(Number(out['loss']!.data[0]) - f.json.loss)).toBeLessThan(1e-5);
    // What has no gradient is a buffer.
    expect(names.toSorted()).toEqual([...known].flatMap(([n, p]) => (p.trainable ? [n] : [])).toSorted());
    // A gradient that is 0 by its formula (softmax doesn't see what is added to all of its scores) holds rounding errors.
    const largest = Math.max(...[...f.grads.values()].map((t) => Math.max(...(t.data as Float32Array).map(Math.abs))));
    for (const [n, expected] of f.grads) {
      const { absolute, relative } = difference(out[`grad.${n}`]!, expected);
      if (absolute > 1e-7 * largest) expect(relative, n).toBeLessThan(1e-3);
    }
    await program.dispose();
  });

  test('one graph for any batch and lengths gives the same outputs and loss', async () => {
    const f = await fixture(name);
    const model = await loadModel(f.folder);
    const out = await model.run(Object.fromEntries(f.inputs), [...f.expected.keys(), 'loss', 'log_probs']);
    for (const [n, expected] of f.expected)
      expect(visibleDifference(n, out[n]!, expected, f.inputs.get('attention_mask')!), n).toBeLessThan(1e-4);
    expect(Math.abs(Number(out['loss']!.data[0]) - f.json.loss)).toBeLessThan(1e-5);
    const logProbs = Array.from(out['log_probs']!.data as Float32Array);
    expect(-logProbs.reduce((a, b) => a + b) / logProbs.length).toBeCloseTo(f.json.loss, 4);
    await model.dispose();
  });
});

describe.skipIf(!hasShared)('marian (needs ../shared)', () => {
  // The reference's numbers came from tables of positions that had noise added (a fit of both tables to its outputs finds
  // the sines and cosines plus 0.05 times normal noise, and then its loss to the last digit), and Marian's checkpoints don't
  // hold these tables: whoever reads this folder gets the sines. So the numbers here are those of the same formulas in
  // PyTorch 1.13 with the sines, written with F.embedding(…, padding_idx=0) * 32**0.5, F.linear, F.layer_norm and F.gelu.
  test('outputs, loss and gradients are PyTorch’s with sinusoidal positions', async () => {
    const f = await fixture('marian');
    const { network, weights } = open(f);
    const given = Object.fromEntries([...f.inputs].map(([n, t]) => [n, input(n, t.shape, t.dtype)]));
    const outputs = network.trace(given, evaluating());
    const known = parameters(network);
    expect([...f.grads.keys()].toSorted()).toEqual([...known].flatMap(([n, p]) => (p.trainable ? [n] : [])).toSorted());
    const loss = outputs['loss']!();
    // Norm, and the values at 0, 5 and the end.
    const expected: Record<string, readonly [number, number, number, number]> = {
      'model.shared.weight': [1.689488, -0.007134, -0.018357, 0.015567],
      'model.encoder.layers.0.self_attn.v_proj.weight': [0.0233465, 6.4e-5, 3.4e-5, -2.67e-4],
      'model.decoder.layers.1.encoder_attn.out_proj.weight': [0.1157919, -1.61e-4, 0.002493, 0.00452],
      'model.decoder.layers.0.fc1.bias': [0.0160186, -5.14e-4, -1.8e-5, -8.48e-4],
      'model.encoder.layers.1.final_layer_norm.weight': [0.0108192, 5.8e-5, 0.001857, -6.82e-4],
    };
    const names = Object.keys(expected);
    const slopes = gradients(
      loss,
      names.map((n) => known.get(n)!),
    );
    const wanted = { loss, logits: outputs['logits']!(), encoded: outputs['encoder_last_hidden_state']!() };
    const program = await compile({ ...wanted, ...Object.fromEntries(names.map((n, i) => [`grad.${n}`, slopes[i]!])) });
    const out = await program.run(new Map([...weights, ...f.inputs]));
    expect(out['loss']!.data[0]).toBeCloseTo(4.7640452, 5);
    const at = (name: string, row: number, count = 6): number[] => {
      const { data, shape } = out[name]!;
      return Array.from(data as Float32Array).slice(row * shape[2]!, row * shape[2]! + count);
    };
    near(at('logits', 0), [0.572287, -0.191663, -0.025657, 0.066962, -0.043718, 0.225653]);
    near(at('logits', 13), [-0.2235, 0.193286, -0.180598, 0.783695, 0.041857, 0.453474]);
    near(at('encoded', 16), [-1.452867, -0.945644, 1.997368, 0.62527, 0.582277, -0.895332]);
    for (const n of names) {
      const values = Array.from(out[`grad.${n}`]!.data as Float32Array);
      const norm = Math.hypot(...values);
      expect(norm / expected[n]![0]).toBeCloseTo(1, 4);
      near([values[0]!, values[5]!, values.at(-1)!], expected[n]!.slice(1), 1e-3 * norm);
    }
    await program.dispose();
  });
});

describe.skipIf(!hasShared).each(['t5', 'bart', 'marian'])('%s (needs ../shared)', (name) => {
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
    await rm(scratch, { recursive: true });
  });
});
