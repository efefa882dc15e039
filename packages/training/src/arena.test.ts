import { describe, expect, test } from 'vitest';
import { arena, kernelsFor } from './arena.ts';

describe('arena', () => {
  test('gives zeroed arrays of one memory that do not overlap and begin at 64 bytes', () => {
    const memory = arena([5, 17, 1]);
    const arrays = [5, 17, 1].map((n) => memory.take(n));
    arrays.forEach((a, i) => {
      expect(a.every((x) => x === 0)).toBe(true);
      expect(a.byteOffset % 64).toBe(0);
      a.fill(i + 1);
    });
    arrays.forEach((a, i) => expect(a.every((x) => x === i + 1)).toBe(true));
    expect(new Set(arrays.map((a) => a.buffer)).size).toBe(1);
  });
  test('what does not fit any more is an ordinary array', () => {
    const memory = arena([16]);
    const inside = memory.take(2 ** 14); // a page
    const outside = memory.take(16);
    expect(outside).toHaveLength(16);
    expect(outside.buffer).not.toBe(inside.buffer);
  });
  test('beyond 4 GiB, all arrays are ordinary', () => {
    const memory = arena([2 ** 29, 2 ** 29]);
    expect(kernelsFor(memory.take(8))).toBeNull();
  });
});

describe('kernelsFor', () => {
  test('has kernels where all arrays lie in one arena only', () => {
    const [one, other] = [arena([8, 8]), arena([8])];
    const [a, b, c] = [one.take(8), one.take(8), other.take(8)];
    expect(kernelsFor(a, b)).not.toBeNull();
    expect(kernelsFor(a, c)).toBeNull();
    expect(kernelsFor(a, new Float32Array(8))).toBeNull();
    expect(kernelsFor(new Float32Array(8))).toBeNull();
  });
});
