import { describe, expect, test } from 'vitest';
import { permutation } from './permutation.ts';

const all = (size: number, seed: number): number[] =>
  Array.from({ length: size }, (_, i) => permutation(size, seed)(i));

describe('permutation', () => {
  test('is a bijection for every size up to 130 and some around powers of 2 and 4', () => {
    const sizes = [...Array(130).keys()].map((i) => i + 1).concat([255, 256, 257, 1000, 1023, 1024, 1025, 4096, 4097]);
    for (const size of sizes) {
      const p = permutation(size, 7);
      const hit = new Uint8Array(size);
      for (let i = 0; i < size; i++) hit[p(i)]! += 1;
      expect(
        hit.every((n) => n === 1),
        `size ${size}`,
      ).toBe(true);
    }
  });

  test('is the same for the same seed and another for another', () => {
    expect(all(100, 1)).toEqual(all(100, 1));
    expect(all(100, 1)).not.toEqual(all(100, 2));
  });

  test('shuffles: few stay in place, and neighbours are torn apart', () => {
    const p = all(10_000, 3);
    expect(p.filter((x, i) => x === i).length).toBeLessThan(10);
    expect(p.filter((x, i) => i && Math.abs(x - p[i - 1]!) === 1).length).toBeLessThan(20);
    // The mean distance of two independent places is a third of the size.
    const distance = p.reduce((sum, x, i) => sum + Math.abs(x - i), 0) / 10_000;
    expect(distance).toBeGreaterThan(3200);
    expect(distance).toBeLessThan(3500);
  });

  test('works at sizes that no array has, up to 2^52', () => {
    for (const size of [2 ** 33 + 5, 2 ** 52]) {
      const p = permutation(size, 11);
      const values = [0, 1, 2, size - 1, Math.floor(size / 2)].map(p);
      expect(new Set(values).size).toBe(5);
      for (const v of values) expect(Number.isInteger(v) && v >= 0 && v < size).toBe(true);
    }
  });

  test('refuses sizes and places outside', () => {
    for (const size of [0, -1, 1.5, NaN, 2 ** 53]) expect(() => permutation(size, 0)).toThrow(/permutation: size is/);
    for (const i of [-1, 5, 0.5]) expect(() => permutation(5, 0)(i)).toThrow(/is not in 0 to 4/);
  });
});
