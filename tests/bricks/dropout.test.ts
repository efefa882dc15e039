// Dropout while training: how much is dropped, that steps repeat and differ, that bricks don't resemble each other.
import { expect, test } from 'vitest';
import { constant, gradients, input, sum } from '../../packages/graph/src/index.ts';
import { Dropout, dropout, training } from '../../packages/nn/src/index.ts';
import { compile, hostTensor, type HostTensor } from '../../packages/runtime/src/index.ts';

const seed = (value: number): HostTensor => hostTensor(Int32Array.of(value), [], 'int32');
const ones = (n: number): ReturnType<typeof constant> => constant(new Float32Array(n).fill(1));

/** The masks of `count` dropouts over n values, at one seed. */
async function masks(count: number, n: number, p: number, step: number): Promise<Float32Array[]> {
  const ctx = training();
  const outputs = Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, dropout(ones(n), p, ctx)]));
  const program = await compile(outputs);
  const got = await program.run({ seed: seed(step) });
  await program.dispose();
  return Array.from({ length: count }, (_, i) => got[`m${i}`]!.data as Float32Array);
}

for (const p of [0.1, 0.5, 0.9])
  test(`drops ${p} of the values and scales the others`, async () => {
    const n = 100_000;
    for (const step of [0, 1, 123_456_789, -5]) {
      const [mask] = await masks(1, n, p, step);
      const dropped = mask!.filter((v) => v === 0).length;
      expect(Math.abs(dropped - n * p)).toBeLessThan(5 * Math.sqrt(n * p * (1 - p)));
      expect(new Set(mask)).toEqual(new Set([0, Math.fround(1 / (1 - p))]));
    }
  });

test('the same seed gives the same mask, another seed another one', async () => {
  const [[a], [b], [c]] = [await masks(1, 1000, 0.5, 7), await masks(1, 1000, 0.5, 7), await masks(1, 1000, 0.5, 8)];
  expect(a).toEqual(b);
  expect(a).not.toEqual(c);
});

test('the masks of different bricks and of following steps are independent', async () => {
  const n = 65_536;
  for (const p of [0.1, 0.5]) {
    const all = [...(await masks(16, n, p, 3)), ...(await masks(4, n, p, 4))];
    const centred = all.map((m) => m.map((v) => (v ? 1 : 0) - (1 - p)));
    for (let i = 0; i < all.length; i++)
      for (let j = 0; j < i; j++) {
        let s = 0;
        for (let k = 0; k < n; k++) s += centred[i]![k]! * centred[j]![k]!;
        expect(Math.abs(s / n / (p * (1 - p))) * Math.sqrt(n)).toBeLessThan(5);
      }
  }
});

test('neighbours within a mask are independent', async () => {
  const [mask] = await masks(1, 65_536, 0.5, 11);
  for (const lag of [1, 2, 64, 768, 4096]) {
    let s = 0;
    for (let k = lag; k < mask!.length; k++) s += (mask![k]! - 1) * (mask![k - lag]! - 1);
    expect(Math.abs(s) / Math.sqrt(mask!.length)).toBeLessThan(5);
  }
});

test('the gradient has the same mask', async () => {
  const x = input('x', [32, 40]);
  const y = new Dropout(0.3).forward(x, training());
  const [dx] = gradients(sum(y), [x]);
  const program = await compile({ y, dx: dx! });
  const got = await program.run({ x: hostTensor(new Float32Array(1280).fill(1), [32, 40]), seed: seed(5) });
  expect(got['dx']!.data).toEqual(got['y']!.data);
  expect((got['y']!.data as Float32Array).filter((v) => v === 0).length).toBeGreaterThan(300);
  await program.dispose();
});

test('a probability of 1, of less than 0, and sizes that are not known are refused', () => {
  for (const p of [1, -0.1, Number.NaN]) expect(() => new Dropout(p)).toThrow(`p is ${p}`);
  expect(() => dropout(input('x', ['B', 3]), 0.5, training())).toThrow('(B, 3)');
});
