import { random } from '@brickwork/nn';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { argMax, draw } from './pick.ts';

test('argMax takes the first of the largest', () => {
  expect(argMax(Float32Array.of(1, 3, 3, 2))).toBe(1);
  expect(argMax(Float32Array.of(-Infinity, -1e30))).toBe(1);
});

test('argMax and draw say so where nothing is left', () => {
  expect(() => argMax(Float32Array.of(-Infinity, NaN))).toThrow('argMax: no token is left to pick');
  expect(() => draw(Float32Array.of(-Infinity), 0.5)).toThrow('no token is left to pick');
  expect(() => draw(Float32Array.of(Infinity, 0), 0.5)).toThrow('logits hold NaN or Infinity');
});

test('draw splits [0, 1) into intervals as long as the probabilities', () => {
  const logits = Float32Array.from([0.5, 0, 0.25, 0.25].map(Math.log));
  expect([0, 0.499, 0.501, 0.749, 0.751, 0.9999999].map((u) => draw(logits, u))).toEqual([0, 0, 2, 2, 3, 3]);
});

test('draw never picks a removed token, whatever the number', () => {
  const logit = fc.oneof(fc.constant(-Infinity), fc.double({ min: -700, max: 700, noNaN: true }));
  fc.assert(
    fc.property(
      fc.array(logit, { minLength: 1 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (list, u) => {
        const logits = Float32Array.from(list);
        fc.pre(logits.some((value) => value > -Infinity));
        expect(logits[draw(logits, u)]).toBeGreaterThan(-Infinity);
      },
    ),
  );
});

test('draw picks each token as often as its probability says', () => {
  const logits = Float32Array.of(2, 0.5, -1, 1, -3);
  const weights = Array.from(logits, Math.exp);
  const total = weights.reduce((a, b) => a + b);
  const { uniform } = random(42);
  const draws = 40000;
  const counts = [0, 0, 0, 0, 0];
  for (let i = 0; i < draws; i++) counts[draw(logits, uniform())]!++;
  // Chi-squared with 4 degrees of freedom: above 18.5 in one of a thousand fair runs.
  const chi = counts.reduce((sum, count, id) => {
    const expected = (draws * weights[id]!) / total;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
  expect(chi).toBeLessThan(18.5);
});
