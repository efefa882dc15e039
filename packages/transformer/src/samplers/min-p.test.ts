import fc from 'fast-check';
import { expect, test } from 'vitest';
import { minP } from './min-p.ts';

const context = { ids: [0], promptLength: 1 };
const after = (logits: readonly number[], options: Parameters<typeof minP>[0]): number[] => {
  const data = Float32Array.from(logits);
  minP(options)(data, context);
  return [...data];
};

test('minP keeps tokens with at least p times the largest probability', () => {
  const logits = [0.6, 0.2, 0.1, 0.02].map((p) => Math.fround(Math.log(p)));
  expect(after(logits, { p: 0.3 })).toEqual([logits[0], logits[1], -Infinity, -Infinity]);
  expect(after(logits, { p: 0.1 })).toEqual([logits[0], logits[1], logits[2], -Infinity]);
});

test('minP of 1 keeps the most probable ones, and of 0 keeps all', () => {
  expect(after([1, 2, 2], { p: 1 })).toEqual([-Infinity, 2, 2]);
  expect(after([1, 2, -80], { p: 0 })).toEqual([1, 2, -80]);
});

test('minP keeps at least `keep`', () => {
  expect(after([1, 9, 2], { p: 0.9, keep: 2 })).toEqual([-Infinity, 9, 2]);
});

test('minP agrees with the rule on probabilities', () => {
  const logits = fc.array(
    fc.integer({ min: -40, max: 40 }).map((n) => n / 4),
    { minLength: 1, maxLength: 40 },
  );
  fc.assert(
    fc.property(logits, fc.double({ min: 0.0001, max: 0.9999, noNaN: true }), (list, p) => {
      const probability = list.map(Math.exp);
      const floor = p * Math.max(...probability);
      fc.pre(probability.every((q) => Math.abs(q / floor - 1) > 1e-9));
      expect(after(list, { p })).toEqual(list.map((value, id) => (probability[id]! < floor ? -Infinity : value)));
    }),
  );
});

test.each([-0.1, 1.5, NaN])('minP refuses p = %s', (p) => {
  expect(() => minP({ p })).toThrow(`minP: p is ${p}; needs a number from 0 to 1`);
});
