import fc from 'fast-check';
import { expect, test } from 'vitest';
import { topK } from './top-k.ts';

const context = { ids: [0], promptLength: 1 };
const kept = (logits: number[], options: Parameters<typeof topK>[0]): number[] => {
  const data = Float32Array.from(logits);
  topK(options)(data, context);
  return [...data];
};

test('topK keeps the k largest and leaves their values alone', () => {
  expect(kept([1, 3, 2, 0], { k: 2 })).toEqual([-Infinity, 3, 2, -Infinity]);
});

test('topK keeps every token equal to the k-th', () => {
  expect(kept([1, 2, 2, 2, 0], { k: 2 })).toEqual([-Infinity, 2, 2, 2, -Infinity]);
});

test('topK keeps all where k is the vocabulary or more, and at least `keep`', () => {
  expect(kept([1, 2], { k: 2 })).toEqual([1, 2]);
  expect(kept([1, 2], { k: 1000 })).toEqual([1, 2]);
  expect(kept([1, 2, 3], { k: 1, keep: 2 })).toEqual([-Infinity, 2, 3]);
});

test('topK agrees with sorting the whole vocabulary', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 45 }),
      (logits, k) => {
        const threshold = logits.toSorted((a, b) => b - a)[Math.min(k, logits.length) - 1]!;
        expect(kept(logits, { k })).toEqual(logits.map((value) => (value < threshold ? -Infinity : value)));
      },
    ),
  );
});

test.each([0, -1, 1.5, NaN, Infinity])('topK refuses k = %s', (k) => {
  expect(() => topK({ k })).toThrow(`topK: k is ${k}; needs a whole number of 1 or more`);
});
