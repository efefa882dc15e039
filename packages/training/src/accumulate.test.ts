import { describe, expect, test } from 'vitest';
import { accumulate } from './accumulate.ts';
import { arena } from './arena.ts';

describe('accumulate', () => {
  test('the first replaces what was there, the others are added with their weights', () => {
    const sums = new Float32Array(6).fill(99);
    accumulate(sums, Float32Array.of(1, 2, 3, 4, 5, 6), 2, true);
    accumulate(sums, Float32Array.of(6, 5, 4, 3, 2, 1), 0.5, false);
    expect([...sums]).toEqual([5, 6.5, 8, 9.5, 11, 12.5]);
  });
  test('the SIMD kernel gives the same bits as the loop', () => {
    for (const n of [1, 4, 7, 64, 1001]) {
      const x = Float32Array.from({ length: n }, (_, i) => Math.sin(i));
      const y = Float32Array.from({ length: n }, (_, i) => Math.cos(3 * i));
      const plain = new Float32Array(n);
      const memory = arena([n, n]);
      const [sums, from] = [memory.take(n), memory.take(n)];
      [x, y].forEach((gradient, k) => {
        accumulate(plain, gradient, 0.1 + k, k === 0);
        from.set(gradient);
        accumulate(sums, from, 0.1 + k, k === 0);
      });
      expect(sums).toEqual(plain);
    }
  });
  test('refuses sizes that differ', () => {
    expect(() => accumulate(new Float32Array(2), new Float32Array(3), 1, true)).toThrow('3 gradients for 2 sums');
  });
});
