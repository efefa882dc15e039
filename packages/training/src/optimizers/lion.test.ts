import { expect, test } from 'vitest';
import { farthest, fifty, gradient, length, rateAt, weight } from './published.fixture.ts';
import { lion } from './lion.ts';

// Algorithm 2 of the paper as printed, in float64.
const published =
  ([b1, b2]: readonly [number, number], decay: number, rate: number) =>
  ({ begin, end, shape }: { begin: number; end: number; shape: readonly number[] }): number[] =>
    Array.from({ length: end - begin }, (_, k) => {
      let [theta, m] = [weight(begin + k), 0];
      for (let t = 1; t <= 50; t++) {
        const g = gradient(t, begin + k);
        const c = b1 * m + (1 - b1) * g;
        theta = theta - rateAt(rate, t) * (Math.sign(c) + (shape.length >= 2 ? decay : 0) * theta);
        m = b2 * m + (1 - b2) * g;
      }
      return theta;
    });

test.each([
  [[0.9, 0.99], 0, 1e-3],
  [[0.95, 0.98], 0.3, 1e-2],
] as const)(
  'fifty steps agree with the published formula in float64 to 1e-5: betas %j, decay %d',
  async (betas, decay, rate) => {
    const w = await fifty(lion(length, { betas, weightDecay: decay }), rate);
    expect(farthest(w, published(betas, decay, rate))).toBeLessThan(1e-5);
  },
);

test('a part’s share of the rate makes its steps smaller', () => {
  const w = new Float32Array(2);
  const parts = [
    { begin: 0, end: 1, decay: false },
    { begin: 1, end: 2, decay: false, rate: 0.25 },
  ];
  void lion(2).update(w, Float32Array.of(3, -0.1), parts, { step: 1, rate: 0.5, scale: 1 });
  expect([...w]).toEqual([-0.5, 0.125]);
});

test('constants that make no sense are refused', () => {
  expect(() => lion(4, { betas: [0.9, 1] })).toThrow('a beta is 1');
  expect(() => lion(4, { weightDecay: -1 })).toThrow('weightDecay is -1');
});
