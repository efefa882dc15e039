import { describe, expect, test } from 'vitest';
import {
  fans,
  fill,
  kaiming,
  normal,
  ones,
  truncatedNormal,
  uniform,
  xavier,
  zeros,
  type Initializer,
} from './initializers.ts';
import { random } from './random.ts';

function draw(initializer: Initializer, shape: number[], seed = 1): Float32Array {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(Number.NaN);
  initializer(data, shape, random(seed));
  return data;
}
function statistics(data: Float32Array): {
  mean: number;
  deviation: number;
  low: number;
  high: number;
  kurtosis: number;
} {
  const n = data.length;
  const mean = data.reduce((a, b) => a + b, 0) / n;
  const moment = (k: number): number => data.reduce((a, b) => a + (b - mean) ** k, 0) / n;
  const deviation = Math.sqrt(moment(2));
  return {
    mean,
    deviation,
    low: data.reduce((a, b) => Math.min(a, b)),
    high: data.reduce((a, b) => Math.max(a, b)),
    kurtosis: moment(4) / deviation ** 4,
  };
}
const N = 200_000;
// Five standard errors of a mean, as a part of the deviation.
const off = 5 / Math.sqrt(N);

test('constants fill', () => {
  expect(new Set(draw(zeros, [3, 4]))).toEqual(new Set([0]));
  expect(new Set(draw(ones, [3, 4]))).toEqual(new Set([1]));
  expect(new Set(draw(fill(2.5), [3, 4]))).toEqual(new Set([2.5]));
});

test('uniform has the mean and deviation of its interval', () => {
  const s = statistics(draw(uniform(-1, 3), [N]));
  expect(Math.abs(s.mean - 1)).toBeLessThan(off * 4);
  expect(s.deviation).toBeCloseTo(4 / Math.sqrt(12), 2);
  expect(s.low).toBeGreaterThanOrEqual(-1);
  expect(s.high).toBeLessThanOrEqual(3);
  expect(s.low).toBeLessThan(-0.999);
  expect(s.high).toBeGreaterThan(2.999);
  expect(s.kurtosis).toBeCloseTo(1.8, 1);
});

test('normal has its mean, deviation and tails', () => {
  const data = draw(normal(0.5, 2), [N]);
  const s = statistics(data);
  expect(Math.abs(s.mean - 2)).toBeLessThan(off);
  expect(s.deviation).toBeCloseTo(0.5, 2);
  expect(s.kurtosis).toBeCloseTo(3, 0);
  const beyond = (k: number): number => data.filter((v) => Math.abs(v - 2) > k * 0.5).length / N;
  expect(beyond(1)).toBeCloseTo(0.3173, 2);
  expect(beyond(2)).toBeCloseTo(0.0455, 2);
  expect(beyond(3)).toBeCloseTo(0.0027, 2);
  expect(beyond(3)).toBeGreaterThan(0.0015);
});

describe('truncated normal', () => {
  // Variance of a standard normal cut at ±b: 1 - 2 b f(b) / (2 F(b) - 1).
  test.each([
    [2, 0.7737413],
    [1, 0.2911251],
    [3, 0.9733369],
  ])('cut at %d deviations has variance %d', (bounds, variance) => {
    const s = statistics(draw(truncatedNormal(0.02, { mean: 0.1, bounds }), [N]));
    expect(Math.abs(s.mean - 0.1)).toBeLessThan(0.02 * off);
    expect((s.deviation / 0.02) ** 2).toBeCloseTo(variance, 1);
    expect(Math.abs((s.deviation / 0.02) ** 2 / variance - 1)).toBeLessThan(0.02);
    expect(s.low).toBeGreaterThanOrEqual(Math.fround(0.1 - 0.02 * bounds) - 1e-8);
    expect(s.high).toBeLessThanOrEqual(Math.fround(0.1 + 0.02 * bounds) + 1e-8);
  });
});

test('fans count inputs and outputs with the kernel', () => {
  expect(fans([20, 30])).toEqual({ in: 30, out: 20 });
  expect(fans([20, 30], true)).toEqual({ in: 20, out: 30 });
  expect(fans([64, 3, 5, 7])).toEqual({ in: 105, out: 2240 });
  expect(() => fans([20])).toThrow('(20)');
});

const shapes: { shape: number[]; inFirst: boolean; fanIn: number; fanOut: number }[] = [
  { shape: [500, 400], inFirst: false, fanIn: 400, fanOut: 500 },
  { shape: [500, 400], inFirst: true, fanIn: 500, fanOut: 400 },
  { shape: [128, 64, 5, 5], inFirst: false, fanIn: 1600, fanOut: 3200 },
];
for (const { shape, inFirst, fanIn, fanOut } of shapes)
  for (const distribution of ['uniform', 'normal'] as const) {
    // What was drawn, as multiples of the deviation that was wanted.
    const relative = (initializer: Initializer, deviation: number): ReturnType<typeof statistics> =>
      statistics(draw(initializer, shape).map((v) => v / deviation));
    const even = distribution === 'uniform';
    const wanted = {
      mean: expect.closeTo(0, 1) as number,
      deviation: expect.closeTo(1, 2) as number,
      low: even ? (expect.closeTo(-Math.sqrt(3), 2) as number) : (expect.any(Number) as number),
      high: even ? (expect.closeTo(Math.sqrt(3), 2) as number) : (expect.any(Number) as number),
      kurtosis: expect.closeTo(even ? 1.8 : 3, 1) as number,
    };
    const name = `(${shape.join(', ')})${inFirst ? ', inputs first' : ''}, ${distribution}`;
    test(`xavier: deviation √(2 / (in + out)) for ${name}`, () => {
      expect(relative(xavier({ distribution, inFirst }), Math.sqrt(2 / (fanIn + fanOut)))).toEqual(wanted);
      expect(
        relative(xavier({ distribution, inFirst, gain: 5 / 3 }), (5 / 3) * Math.sqrt(2 / (fanIn + fanOut))),
      ).toEqual(wanted);
    });
    test(`kaiming: deviation √(2 / in) or √(2 / out) for ${name}`, () => {
      expect(relative(kaiming({ distribution, inFirst }), Math.sqrt(2 / fanIn))).toEqual(wanted);
      expect(relative(kaiming({ distribution, inFirst, mode: 'out' }), Math.sqrt(2 / fanOut))).toEqual(wanted);
      expect(relative(kaiming({ distribution, inFirst, gain: 1 }), Math.sqrt(1 / fanIn))).toEqual(wanted);
    });
  }

test('the same seed gives the same values, another seed others', () => {
  const [a, b, c] = [draw(normal(), [50], 3), draw(normal(), [50], 3), draw(normal(), [50], 4)];
  expect(a).toEqual(b);
  expect(a).not.toEqual(c);
});
