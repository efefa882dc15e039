import { expect, test } from 'vitest';
import { movingAverage } from './ema.ts';

test('is the published average, whose decay rises to what was asked for', () => {
  const [w, e] = [Float32Array.of(1, -2), new Float32Array(2)];
  const ema = movingAverage(e, 0.6);
  ema.begin(w);
  const expected = [1, -2];
  for (let step = 1; step <= 40; step++) {
    w.set([Math.sin(step), step]);
    ema.update(w, step);
    const d = Math.min(0.6, (1 + step) / (10 + step));
    expected.forEach((x, i) => (expected[i] = d * x + (1 - d) * w[i]!));
  }
  expected.forEach((x, i) => expect(e[i]).toBeCloseTo(x, 5));
});

test('swapped twice, all is as it was', () => {
  const [w, e] = [Float32Array.of(1, 2), Float32Array.of(3, 4)];
  const ema = movingAverage(e, 0.9);
  ema.swap(w);
  expect([[...w], [...e]]).toEqual([
    [3, 4],
    [1, 2],
  ]);
  ema.swap(w);
  expect([[...w], [...e]]).toEqual([
    [1, 2],
    [3, 4],
  ]);
});

test.each([0, 1, -1, Number.NaN])('a decay of %d is refused', (decay) => {
  expect(() => movingAverage(new Float32Array(1), decay)).toThrow('ema: the decay is');
});
