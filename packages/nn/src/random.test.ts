import { expect, test } from 'vitest';
import { random, streamSeed } from './random.ts';

const take = <T>(n: number, f: () => T): T[] => Array.from({ length: n }, f);

test('the same seed gives the same stream, here and everywhere', () => {
  const [a, b] = [random(42), random(42)];
  expect(take(100, a.uniform)).toEqual(take(100, b.uniform));
  expect(take(20, random(1).uniform)).not.toEqual(take(20, random(2).uniform));
});

test('seeds of any size and sign start different streams', () => {
  const starts = [0, 1, -1, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 52, 123456789012].map((seed) =>
    take(4, random(seed).uniform).join(),
  );
  expect(new Set(starts).size).toBe(starts.length);
});

test('uniform numbers fill [0, 1) evenly, pairs fill the square', () => {
  const r = random(7);
  const [n, k] = [160_000, 16];
  const counts = Array.from({ length: k * k }, () => 0);
  let inside = true;
  for (let i = 0; i < n; i++) {
    const [x, y] = [r.uniform(), r.uniform()];
    inside &&= x >= 0 && x < 1 && y >= 0 && y < 1;
    counts[Math.floor(x * k) * k + Math.floor(y * k)]!++;
  }
  expect(inside).toBe(true);
  const expected = n / k ** 2;
  const chi = counts.reduce((s, c) => s + (c - expected) ** 2 / expected, 0);
  // 255 degrees of freedom: 255 ± 5 √510.
  expect(chi).toBeGreaterThan(142);
  expect(chi).toBeLessThan(368);
});

test('every low bit of the numbers is random too', () => {
  const r = random(9);
  const bits = Array.from({ length: 32 }, () => 0);
  const n = 20_000;
  for (let i = 0; i < n; i++) {
    const v = r.uniform() * 2 ** 32;
    for (let b = 0; b < 32; b++) bits[b]! += (v >>> b) & 1;
  }
  for (const ones of bits) expect(Math.abs(ones - n / 2)).toBeLessThan(5 * Math.sqrt(n / 4));
});

test('whole numbers are even over their range', () => {
  const r = random(3);
  const counts = Array.from({ length: 7 }, () => 0);
  for (let i = 0; i < 70_000; i++) counts[r.integer(7)]!++;
  for (const c of counts) expect(Math.abs(c - 10_000)).toBeLessThan(5 * Math.sqrt(10_000));
});

test('normal numbers are normal and never infinite', () => {
  const r = random(5);
  const v = take(100_000, r.normal);
  const mean = v.reduce((a, b) => a + b, 0) / v.length;
  expect(Math.abs(mean)).toBeLessThan(0.016);
  expect(v.reduce((a, b) => a + b * b, 0) / v.length).toBeCloseTo(1, 1);
  expect(v.every(Number.isFinite)).toBe(true);
  // Neighbours come from one draw of Box and Muller: they must not depend on each other.
  expect(Math.abs(v.slice(1).reduce((s, x, i) => s + x * v[i]!, 0)) / Math.sqrt(v.length)).toBeLessThan(5);
});

test('streams with different names or seeds have different seeds', () => {
  const seeds = ['a', 'b', 'h.0.attn', 'h.1.attn', 'h.10.attn'].flatMap((name) =>
    [0, 1, 2].map((s) => streamSeed(s, name)),
  );
  expect(new Set(seeds).size).toBe(seeds.length);
  expect(streamSeed(1, 'weight')).toBe(streamSeed(1, 'weight'));
});
