import { describe, expect, test } from 'vitest';
import { arena } from './arena.ts';
import { clipScale, gradientNorm } from './gradient-norm.ts';

const values = (n: number): number[] => Array.from({ length: n }, (_, i) => Math.sin(i * 1.7) * 10 ** ((i % 7) - 3));

describe('gradientNorm', () => {
  test('is the square root of the sum of squares, at every length', () => {
    for (const n of [0, 1, 3, 15, 16, 17, 31, 64, 100, 4099]) {
      const x = Float32Array.from(values(n));
      expect(gradientNorm(x)).toBeCloseTo(Math.hypot(...x), 9);
    }
  });
  test('large values do not overflow, and what is not finite is told', () => {
    expect(gradientNorm(Float32Array.of(3e30, 4e30)) / 5e30).toBeCloseTo(1, 6);
    expect(gradientNorm(Float32Array.of(1, Infinity))).toBe(Infinity);
    expect(gradientNorm(Float32Array.from({ length: 40 }, (_, i) => (i === 20 ? NaN : 1)))).toBeNaN();
  });
  test('the SIMD kernel gives the same bits as the loop', () => {
    for (const n of [16, 32, 48, 1000, 4097]) {
      const x = Float32Array.from(values(n));
      const inArena = arena([n]).take(n);
      inArena.set(x);
      expect(Object.is(gradientNorm(inArena), gradientNorm(x)), `length ${n}`).toBe(true);
    }
  });
});

describe('clipScale', () => {
  test('scales longer gradients down to the limit and leaves the others', () => {
    expect(clipScale(4, 1)).toBe(0.25);
    expect(clipScale(0.5, 1)).toBe(1);
    expect(clipScale(1, 1)).toBe(1);
    expect(clipScale(1e9, 0)).toBe(1);
  });
});
