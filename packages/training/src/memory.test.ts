import { constant, input, matmul, type Tensor } from '@brickwork/graph';
import { describe, expect, test } from 'vitest';
import { activationBytes, estimateMemory, findBatchSize, type MemoryEstimate } from './memory.ts';

const weights = (rows: number, columns: number): Tensor => input(`w${rows}x${columns}`, [rows, columns]);

describe('activationBytes', () => {
  test('of a chain is what two neighbours take at most', () => {
    const x = matmul(input('x', [10, 10]), weights(10, 100)); // 4000 bytes
    const y = matmul(x, weights(100, 50)); // 2000
    const z = matmul(y, weights(50, 1)); // 40
    expect(activationBytes([z])).toBe(6000);
  });

  test('of what is read later lasts until then', () => {
    const x = matmul(input('x', [10, 10]), weights(10, 100)); // 4000 bytes
    const y = matmul(x, weights(100, 50)); // 2000
    const z = matmul(matmul(y, weights(50, 20)), weights(20, 100)); // 800, 4000
    const last = matmul(z, x.permute([1, 0])); // a copy of x: 4000, and 400
    // The engine makes the copy first: x, the copy and y.
    expect(activationBytes([last])).toBe(10_000);
  });

  test('of views and of sums written over what is read no more is nothing', () => {
    const x = matmul(input('x', [10, 10]), weights(10, 10)); // 400
    expect(activationBytes([x.reshape([100]).add(1).reshape([20, 5])])).toBe(400);
    // Both are still needed where another reads them.
    expect(activationBytes([x.add(1), x.mul(2)])).toBe(800);
  });

  test('of constants and inputs is nothing', () => {
    expect(activationBytes([constant(Float32Array.of(1, 2)), input('x', [7])])).toBe(0);
  });
});

test('an estimate names its parts, which are its sum', () => {
  const loss = matmul(input('x', [1, 1000]), weights(1000, 1)).reshape([]);
  const found = estimateMemory({ loss, 'grad.w': input('x', [1000]) }, { values: 1000, arrays: 3, resident: 5e7 });
  const { resident, state, activations, engine, total } = found;
  expect([resident, state]).toEqual([5e7, 12_000]);
  expect(resident + state + activations + engine).toBe(total);
  const now = estimateMemory({ loss }, { values: 1000, arrays: 3 });
  expect(now.resident).toBeGreaterThan(2e7);
  expect(now.resident).toBeLessThanOrEqual(process.memoryUsage.rss() * 1.5);
});

describe('findBatchSize', () => {
  const linear = (batchSize: number): MemoryEstimate => {
    const parts = { resident: 100, state: 10, activations: 7 * batchSize, engine: 5 };
    return { ...parts, total: 115 + 7 * batchSize };
  };
  test.each([
    [122, 1],
    [128, 1],
    [129, 2],
    [1000, 126],
    [1e9, 300],
  ])('in %d finds %d', (budget, expected) => {
    const { batchSize, estimate } = findBatchSize(linear, { budget, most: 300 });
    expect(batchSize).toBe(expected);
    expect(estimate).toEqual(linear(expected));
  });
  test('says what one example takes where it is too much', () => {
    expect(() => findBatchSize(linear, { budget: 121 })).toThrow('a batch of one example takes 1 MB');
    expect(() => findBatchSize(linear, { most: 0 })).toThrow('most is 0');
  });
});
