import { describe, expect, test } from 'vitest';
import { packSigns, quantizeVectors, vectorRanges } from './quantize.ts';

// Expected values are numpy's, by the formulas of sentence-transformers' quantize_embeddings.
const vectors = Array.from({ length: 5 }, (_, r) =>
  Float32Array.from({ length: 16 }, (_, c) => Math.sin(1.7 * r + 0.9 * c * c + 0.3)),
);
const list = (all: readonly ArrayLike<number>[]): number[][] => all.map((one) => Array.from(one));

describe('quantizeVectors', () => {
  test('bytes between each axis’ least and largest value', () => {
    expect(list(quantizeVectors(vectors, 'uint8')).slice(0, 2)).toEqual([
      [161, 247, 37, 255, 255, 34, 253, 181, 255, 24, 226, 218, 14, 255, 218, 255],
      [255, 158, 45, 11, 7, 52, 149, 255, 140, 68, 0, 0, 85, 103, 207, 83],
    ]);
    expect(list(quantizeVectors(vectors, 'int8')).slice(0, 2)).toEqual([
      [33, 119, -90, 127, 127, -93, 125, 53, 127, -103, 98, 90, -113, 127, 90, 127],
      [127, 30, -82, -116, -120, -75, 21, 127, 12, -59, -128, -128, -42, -24, 79, -44],
    ]);
  });
  test('bytes between given ends', () => {
    const ranges = { low: new Float32Array(16).fill(-2), high: new Float32Array(16).fill(1.5) };
    expect(list(quantizeVectors(vectors.slice(0, 1), 'int8', { ranges }))).toEqual([
      [39, 85, -32, 79, 79, -34, 87, 47, 88, -41, 70, 67, -47, 90, 68, 89],
    ]);
    const outside = [Float32Array.from({ length: 16 }, (_, i) => (i % 2 ? 9 : -9))];
    expect(new Set(quantizeVectors(outside, 'uint8', { ranges })[0])).toEqual(new Set([0, 255]));
  });
  test('signs, eight to a byte', () => {
    expect(list(quantizeVectors(vectors, 'ubinary'))).toEqual([
      [219, 183],
      [195, 130],
      [36, 72],
      [126, 253],
      [219, 183],
    ]);
    expect(list(quantizeVectors(vectors, 'binary'))).toEqual([
      [91, 55],
      [67, 2],
      [-92, -56],
      [-2, 125],
      [91, 55],
    ]);
  });
  test('an axis that never varies is its lowest byte, and float32 is a copy', () => {
    expect(list(quantizeVectors([new Float32Array(3).fill(2)], 'uint8'))).toEqual([[0, 0, 0]]);
    const [copy] = quantizeVectors(vectors, 'float32');
    expect(copy).toEqual(vectors[0]);
    expect(copy).not.toBe(vectors[0]);
    expect(quantizeVectors([], 'int8')).toEqual([]);
  });
  test('refuses what has no such form', () => {
    expect(() => quantizeVectors([new Float32Array(12)], 'binary')).toThrow(/12 axes; needs a multiple of 8/);
    expect(() => quantizeVectors([Float32Array.of(NaN)], 'int8')).toThrow(/vector 0 holds NaN/);
    expect(() => quantizeVectors([new Float32Array(2), new Float32Array(3)], 'int8')).toThrow(/vector 1 has 3 axes/);
    expect(() => quantizeVectors(vectors, 'int4' as 'int8')).toThrow(/no precision "int4"/);
    expect(() => quantizeVectors(vectors, 'int8', { ranges: vectorRanges([new Float32Array(3)]) })).toThrow(
      /ranges of 3/,
    );
    expect(() => vectorRanges([])).toThrow(/no vectors/);
    expect(() => packSigns([1])).toThrow(/multiple of 8/);
  });
});
