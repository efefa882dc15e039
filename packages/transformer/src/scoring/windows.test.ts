import fc from 'fast-check';
import { expect, test } from 'vitest';
import { windows } from './windows.ts';

test('every token from the first one on is scored once, with at least size - stride tokens before it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 400 }),
      fc.nat(300),
      fc.integer({ min: 2, max: 60 }),
      fc.nat(58),
      (more, from, size, cut) => {
        const stride = 1 + (cut % (size - 1));
        const length = from + more;
        const all = windows(length, from, size, stride);
        const scored = all.flatMap((w) => Array.from({ length: w.end - w.from }, (_, i) => w.from + i));
        expect(scored).toEqual(Array.from({ length: more }, (_, i) => from + i));
        for (const { begin, from: first, end } of all) {
          expect(end - begin).toBeLessThanOrEqual(size);
          expect(begin).toBeGreaterThanOrEqual(0);
          // Where there is something before a token, at least one token of it is seen.
          if (first > 0)
            expect(first - begin).toBeGreaterThanOrEqual(Math.min(first, length - from < size ? 1 : size - stride));
        }
      },
    ),
  );
});

test('what fits is one window', () => {
  expect(windows(8, 0, 8, 4)).toEqual([{ begin: 0, from: 0, end: 8 }]);
  expect(windows(12, 6, 8, 4)).toEqual([{ begin: 4, from: 6, end: 12 }]);
});

test('sizes that aren’t any are errors', () => {
  expect(() => windows(8, 0, 1, 1)).toThrow('needs at least 2');
  for (const stride of [0, 8, 9, 1.5, NaN]) expect(() => windows(20, 0, 8, stride)).toThrow('from 1 to 7');
});
