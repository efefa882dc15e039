import fc from 'fast-check';
import { expect, test } from 'vitest';
import { topP } from './top-p.ts';

const context = { ids: [0], promptLength: 1 };
const after = (logits: ArrayLike<number>, options: Parameters<typeof topP>[0]): Float32Array => {
  const data = Float32Array.from(logits);
  topP(options)(data, context);
  return data;
};
const keptIds = (logits: ArrayLike<number>, options: Parameters<typeof topP>[0]): number[] =>
  [...after(logits, options).entries()].filter(([, value]) => value > -Infinity).map(([id]) => id);

// The rule as Hugging Face writes it: sort upwards, add up, remove while the sum is within 1 - p, keep the last.
function reference(logits: readonly number[], p: number, keep = 1): number[] {
  const order = logits.map((_, id) => id).sort((a, b) => logits[a]! - logits[b]! || a - b);
  const max = Math.max(...logits);
  const weights = order.map((id) => Math.exp(logits[id]! - max));
  const total = weights.reduce((a, b) => a + b);
  let sum = 0;
  return order
    .filter((_, rank) => {
      sum += weights[rank]! / total;
      return Math.fround(sum) > Math.fround(1 - p) || rank >= order.length - keep;
    })
    .sort((a, b) => a - b);
}

test('topP keeps the token that crosses p', () => {
  const logits = [0.5, 0.3, 0.15, 0.05].map(Math.log);
  expect(keptIds(logits, { p: 0.7 })).toEqual([0, 1]);
  expect(keptIds(logits, { p: 0.85 })).toEqual([0, 1, 2]);
  expect(keptIds(logits, { p: 0.4 })).toEqual([0]);
});

test('topP stops where p is reached exactly', () => {
  const logits = [0.5, 0.25, 0.25].map(Math.log);
  expect(keptIds(logits, { p: 0.5 })).toEqual([0]);
  expect(keptIds(Array(10).fill(1), { p: 0.9 })).toHaveLength(9);
});

test('topP always keeps one token, and `keep` where asked', () => {
  expect(keptIds([5, 1, 0], { p: 1e-12 })).toEqual([0]);
  expect(keptIds([0, 0, 0], { p: 1e-12 })).toEqual([2]);
  expect(keptIds([9, 1, 0, -5], { p: 0.1, keep: 3 })).toEqual([0, 1, 2]);
});

test('topP of 1 keeps all, tokens far too improbable to count too', () => {
  expect(keptIds([100, 0, -100], { p: 1 })).toEqual([0, 1, 2]);
});

test('topP leaves removed tokens removed and the rest unchanged', () => {
  expect([...after([2, -Infinity, 1.5, -Infinity], { p: 0.99 })]).toEqual([2, -Infinity, 1.5, -Infinity]);
});

test('topP agrees with sorting the whole vocabulary', () => {
  const logits = fc.array(fc.double({ min: -12, max: 12, noNaN: true }).map(Math.fround), {
    minLength: 1,
    maxLength: 60,
  });
  fc.assert(
    fc.property(
      logits,
      fc.double({ min: 0.001, max: 0.999, noNaN: true }),
      fc.integer({ min: 1, max: 4 }),
      (list, p, keep) => {
        expect(keptIds(list, { p, keep })).toEqual(reference(list, p, keep));
      },
    ),
    { numRuns: 500 },
  );
});

test('topP of a whole vocabulary keeps the fewest most probable tokens that reach p', () => {
  const logits = Array.from({ length: 50257 }, (_, id) => Math.fround(Math.sin(id * 78.233) * 8));
  for (const p of [0.1, 0.5, 0.95]) expect(keptIds(logits, { p })).toEqual(reference(logits, p));
});

test.each([0, -0.1, 1.1, NaN])('topP refuses p = %s', (p) => {
  expect(() => topP({ p })).toThrow(`topP: p is ${p}; needs a number above 0 and up to 1`);
});
