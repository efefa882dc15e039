import { random } from '@brickwork/nn';
import { hostTensor } from '@brickwork/runtime';
import { expect, test } from 'vitest';
import { diagnoseFilters } from './filters.ts';

const side = 7;
const make = (f: (x: number, y: number) => number): number[] =>
  Array.from({ length: side * side }, (_, i) => f(i % side, Math.floor(i / side)));

test('edges are smooth, independent values noisy, and what is nearly nothing is dead', () => {
  const draw = random(1);
  const filters = [
    make((x) => x - 3),
    make((x, y) => Math.cos((x + y) / 2)),
    make(() => draw.normal()),
    make(() => 0.01 * draw.normal()),
    make(() => 0),
    make((x, y) => ((x + y) % 2 ? 1 : -1)),
  ];
  const found = diagnoseFilters(hostTensor(Float32Array.from(filters.flat()), [6, 1, side, side]));
  expect(found.map(({ verdict }) => verdict)).toEqual(['smooth', 'smooth', 'noisy', 'dead', 'dead', 'noisy']);
  expect(found[4]!.roughness).toBeNull();
  expect(found[0]!.size).toBeCloseTo(2, 6);
});

test('noise has a roughness near 1, at any size and number of channels', () => {
  const draw = random(2);
  for (const scale of [1e-3, 1, 50]) {
    const data = Float32Array.from({ length: 20 * 3 * 121 }, () => scale * draw.normal() + scale);
    const found = diagnoseFilters(hostTensor(data, [20, 3, 11, 11]));
    const mean = found.reduce((sum, { roughness }) => sum + roughness!, 0) / found.length;
    expect(Math.abs(mean - 1)).toBeLessThan(0.05);
    expect(found.every(({ verdict }) => verdict === 'noisy')).toBe(true);
  }
});

test('filters of one pixel have no neighbours, and other weights aren’t filters', () => {
  const [one] = diagnoseFilters(hostTensor(Float32Array.of(2), [1, 1, 1, 1]));
  expect(one).toEqual({ filter: 0, size: 2, roughness: null, verdict: 'small' });
  expect(() => diagnoseFilters(hostTensor(Float32Array.of(2), [1, 1]))).toThrow('(1, 1); needs a convolution’s weight');
});
