import { expect, test } from 'vitest';
import { sampleStream } from './random.ts';

const first = (seed: number, sample: number, count = 4): number[] => {
  const uniform = sampleStream(seed, sample);
  return Array.from({ length: count }, () => uniform());
};

test('a seed gives the same stream each time, and each sample its own', () => {
  expect(first(7, 0)).toEqual(first(7, 0));
  const streams = [first(7, 0), first(7, 1), first(8, 0), first(7 + 2 ** 32, 0), first(2 ** 53 - 1, 0)];
  expect(new Set(streams.map(([value]) => value)).size).toBe(streams.length);
});

test('numbers are in [0, 1), finer than 32 bits, and spread evenly', () => {
  const uniform = sampleStream(1);
  const counts = Array.from({ length: 16 }, () => 0);
  let fine = 0;
  for (let i = 0; i < 32000; i++) {
    const value = uniform();
    expect(value >= 0 && value < 1).toBe(true);
    counts[Math.floor(value * 16)]!++;
    if ((value * 2 ** 32) % 1) fine++;
  }
  expect(fine).toBeGreaterThan(31900);
  const chi = counts.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0);
  expect(chi).toBeLessThan(37.7); // 15 degrees of freedom, one of a thousand
});

test('the first numbers of neighbouring seeds are as even as those of one stream', () => {
  const counts = Array.from({ length: 16 }, () => 0);
  for (let seed = 0; seed < 16000; seed++) counts[Math.floor(first(seed, 0, 1)[0]! * 16)]!++;
  const chi = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  expect(chi).toBeLessThan(37.7);
});
