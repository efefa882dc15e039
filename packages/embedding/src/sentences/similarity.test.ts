import { expect, test } from 'vitest';
import { cosine, dot, euclidean, hamming, manhattan, similarityBy } from './similarity.ts';

const [a, b] = [
  [1, 2, 2],
  [2, 0, -1],
];

test('vectors are compared by angle, product and distance', () => {
  expect(dot(a, b)).toBe(0);
  expect(cosine(a, b)).toBe(0);
  expect(cosine(a, [2, 4, 4])).toBeCloseTo(1, 12);
  expect(cosine(a, [0, 0, 0])).toBe(0);
  expect(cosine([1e-30, 0], [1e-30, 0])).toBeCloseTo(1, 12);
  expect(euclidean(a, b)).toBeCloseTo(Math.sqrt(14), 12);
  expect(manhattan(a, b)).toBe(6);
});

test('packed signs by how many differ', () => {
  expect(hamming(Uint8Array.of(0b1010_1010, 255), Uint8Array.of(0b0101_0101, 255))).toBe(8);
  // As int8, less 128, the same bits differ.
  expect(hamming(Int8Array.of(91, 55), Int8Array.of(67, 2))).toBe(
    hamming(Uint8Array.of(219, 183), Uint8Array.of(195, 130)),
  );
});

test('by name, what is more alike is larger', () => {
  for (const name of ['cosine', 'dot', 'euclidean', 'manhattan'] as const)
    expect(similarityBy(name)(a, [1, 2, 2.5])).toBeGreaterThan(similarityBy(name)(a, b));
  expect(() => similarityBy('jaccard' as 'dot')).toThrow(/no way "jaccard"/);
});

test('vectors of different lengths can’t be compared', () => {
  for (const compare of [cosine, dot, euclidean, manhattan])
    expect(() => compare([1], [1, 2])).toThrow(/vectors of 1 and 2/);
  expect(() => hamming(Uint8Array.of(1), Uint8Array.of(1, 2))).toThrow(/hamming: vectors of 1 and 2/);
});
