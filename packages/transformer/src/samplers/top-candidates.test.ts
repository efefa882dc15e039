import fc from 'fast-check';
import { expect, test } from 'vitest';
import { topCandidates } from './top-candidates.ts';

const sorted = (values: Float32Array, k: number): number[] =>
  Array.from(values, (_, i) => i)
    .sort((a, b) => values[b]! - values[a]! || a - b)
    .slice(0, k);

test('topCandidates gives what a full sort gives, equal values by index', () => {
  const values = fc.array(fc.integer({ min: -5, max: 5 }), { maxLength: 60 });
  fc.assert(
    fc.property(values, fc.integer({ min: 0, max: 70 }), (list, k) => {
      const data = Float32Array.from(list);
      expect([...topCandidates(data, k)]).toEqual(sorted(data, k));
    }),
  );
});

test('topCandidates orders -Infinity last and distinct floats exactly', () => {
  fc.assert(
    fc.property(fc.float32Array({ noNaN: true, maxLength: 50 }), fc.nat(50), (data, k) => {
      const finite = data.map((value) => (Math.abs(value) === Infinity ? -Infinity : value + 0));
      const values = (ids: ArrayLike<number>): number[] => Array.from(ids, (id) => finite[id]!);
      expect(values(topCandidates(finite, k))).toEqual(
        values(
          [...finite.keys()]
            .sort((a, b) => (finite[a]! < finite[b]! ? 1 : finite[a]! > finite[b]! ? -1 : a - b))
            .slice(0, k),
        ),
      );
    }),
  );
});

test('topCandidates of a whole vocabulary takes one pass', () => {
  const values = Float32Array.from({ length: 50257 }, (_, i) => Math.sin(i * 12.9898) * 10);
  expect([...topCandidates(values, 40)]).toEqual(sorted(values, 40));
});
