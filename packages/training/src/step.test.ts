import { initialize } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { GPT2LMHeadModel } from '@brickwork/transformer';
import { describe, expect, test } from 'vitest';
import { compileStep, type Batch } from './step.ts';

const [B, T, V] = [2, 8, 11];
const model = (dropout: number): GPT2LMHeadModel =>
  new GPT2LMHeadModel({
    vocab_size: V,
    n_positions: T,
    n_embd: 16,
    n_layer: 2,
    n_head: 2,
    embd_pdrop: dropout,
    resid_pdrop: dropout,
    attn_pdrop: dropout,
  });
const tensors = (m: object, fill?: number): Map<string, HostTensor> =>
  new Map(
    [...initialize(m, 3)].map(([name, { data, shape }]) => [
      name,
      hostTensor(fill === undefined ? data : data.map(() => fill), shape),
    ]),
  );
const batch: Batch = {
  ids: BigInt64Array.from({ length: B * T }, (_, i) => BigInt((i * 7) % V)),
  labels: BigInt64Array.from({ length: B * T }, (_, i) => (i === 3 ? -100n : BigInt((i * 5 + 1) % V))),
};

describe('compileStep', () => {
  test('overwrites gradients that agree with differences of the loss', async () => {
    const m = model(0);
    const weights = tensors(m);
    const grads = tensors(m, 99);
    const step = await compileStep(m, { weights, grads, B, T }, { threads: 1 });
    const loss = await step.run(batch, 0);
    expect(await step.evaluate(batch)).toBeCloseTo(loss, 6);
    for (const [name, at] of [
      ['transformer.wte.weight', 5],
      ['transformer.h.1.mlp.c_fc.weight', 40],
      ['transformer.ln_f.bias', 2],
    ] as const) {
      const w = weights.get(name)!.data as Float32Array;
      const g = (grads.get(name)!.data as Float32Array)[at]!;
      const start = w[at]!;
      const at1 = async (x: number): Promise<number> => {
        w[at] = x;
        return await step.evaluate(batch);
      };
      const slope = ((await at1(start + 0.01)) - (await at1(start - 0.01))) / 0.02;
      w[at] = start;
      expect(Math.abs(slope - g), name).toBeLessThan(2e-4 + 0.02 * Math.abs(g));
    }
    await step.dispose();
  });

  test('the same seed drops the same values, bit for bit; another drops others; evaluation drops none', async () => {
    const m = model(0.3);
    const [weights, grads] = [tensors(m), tensors(m, 0)];
    const step = await compileStep(m, { weights, grads, B, T }, { threads: 1 });
    const run = async (seed: number): Promise<[number, number[]]> => [
      await step.run(batch, seed),
      [...(grads.get('transformer.wpe.weight')!.data as Float32Array)],
    ];
    const first = await run(5);
    const other = await run(6);
    expect(await run(5)).toEqual(first);
    expect(other[0]).not.toBe(first[0]);
    expect(await step.evaluate(batch)).toBe(await step.evaluate(batch));
    await step.dispose();
  });

  test('a label of -100 is left out of the mean', async () => {
    const m = model(0);
    const step = await compileStep(m, { weights: tensors(m), grads: tensors(m, 0), B, T }, { threads: 1 });
    const only = async (i: number): Promise<number> =>
      await step.evaluate({ ...batch, labels: batch.labels.map((label, j) => (i === j ? label : -100n)) });
    let sum = 0;
    for (let i = 0; i < B * T; i++) if (batch.labels[i] !== -100n) sum += await only(i);
    expect(await step.evaluate(batch)).toBeCloseTo(sum / (B * T - 1), 5);
    await step.dispose();
  });

  test('weights and gradients in one memory are refused', async () => {
    const m = model(0);
    const weights = tensors(m);
    const step = await compileStep(m, { weights, grads: weights, B, T }, { threads: 1 });
    await expect(step.run(batch, 0)).rejects.toThrow(/share memory/);
    await step.dispose();
  });
});
