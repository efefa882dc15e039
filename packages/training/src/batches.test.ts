import { describe, expect, test } from 'vitest';
import { allBatches, batchAt } from './batches.ts';
import { memoryTokens } from './token-source.ts';

// Every token is its own place, so that a window tells where it was taken.
const counting = (n: number): ReturnType<typeof memoryTokens> =>
  memoryTokens(Int32Array.from({ length: n }, (_, i) => i));
const rows = (array: BigInt64Array, T: number): number[][] =>
  Array.from({ length: array.length / T }, (_, r) => [...array.subarray(r * T, (r + 1) * T)].map(Number));

describe('batchAt', () => {
  test('labels are the tokens shifted by one, inside the sequence only', () => {
    for (const sampling of ['random', 'shuffle'] as const)
      for (const [n, T] of [
        [9, 8],
        [10, 8],
        [17, 8],
        [100, 7],
      ] as const)
        for (let number = 0; number < 30; number++) {
          const { batch, count } = batchAt(counting(n), { seed: 5, number, B: 3, T, sampling });
          expect(count).toBe(3 * T);
          for (const [r, row] of rows(batch.ids, T).entries()) {
            expect(row).toEqual(row.map((_, t) => row[0]! + t));
            expect(rows(batch.labels, T)[r]).toEqual(row.map((id) => id + 1));
            expect(row[0]! + T).toBeLessThan(n);
          }
        }
  });

  test('is a pure function of seed and number', () => {
    const batch = (seed: number, number: number): BigInt64Array =>
      batchAt(counting(1000), { seed, number, B: 4, T: 8 }).batch.ids;
    expect(batch(1, 3)).toEqual(batch(1, 3));
    expect(batch(1, 3)).not.toEqual(batch(2, 3));
    expect(batch(1, 3)).not.toEqual(batch(1, 4));
  });

  test('random windows reach the whole sequence, its first and last window too', () => {
    const begins = new Set<number>();
    for (let number = 0; number < 200; number++)
      for (const [begin] of rows(batchAt(counting(20), { seed: 1, number, B: 4, T: 8 }).batch.ids, 8))
        begins.add(begin!);
    expect([...begins].toSorted((a, b) => a - b)).toEqual([...Array(12).keys()]);
  });

  test('shuffle sees every block once an epoch, in another order and with other borders in the next', () => {
    const [n, T, B] = [103, 10, 3]; // 9 blocks an epoch, 3 batches
    const epoch = (e: number): number[] =>
      [0, 1, 2].flatMap((k) =>
        rows(batchAt(counting(n), { seed: 4, number: 3 * e + k, B, T, sampling: 'shuffle' }).batch.ids, T).map(
          (row) => row[0]!,
        ),
      );
    const offsets = new Set<number>();
    for (let e = 0; e < 8; e++) {
      const begins = epoch(e);
      const offset = Math.min(...begins);
      offsets.add(offset);
      expect(begins.map((b) => (b - offset) / T).toSorted((a, b) => a - b)).toEqual([...Array(9).keys()]);
    }
    expect(offsets.size).toBeGreaterThan(2);
    expect(epoch(0)).not.toEqual(epoch(1));
    expect(epoch(2)).toEqual(epoch(2));
  });

  test('a batch may reach into the next epoch', () => {
    const batch = batchAt(counting(33), { seed: 1, number: 0, B: 7, T: 10, sampling: 'shuffle' }).batch;
    expect(rows(batch.ids, 10)).toHaveLength(7);
  });

  test('a sequence shorter than a window is refused, with what would help', () => {
    for (const sampling of ['random', 'shuffle'] as const)
      expect(() => batchAt(counting(8), { seed: 0, number: 0, B: 1, T: 8, sampling })).toThrow(
        'corpus: 8 tokens to train on; a context of 8 needs 9 or more: use more text or a shorter context',
      );
  });
});

describe('allBatches', () => {
  test('every token but the first is predicted exactly once, whatever the sizes', () => {
    for (let n = 0; n < 40; n++)
      for (const [B, T] of [
        [1, 1],
        [2, 5],
        [3, 4],
      ] as const) {
        const predicted: number[] = [];
        for (const { batch, count } of allBatches(counting(n), B, T)) {
          expect(batch.ids).toHaveLength(B * T);
          const labels = [...batch.labels].map(Number);
          const real = labels.filter((label) => label !== -100);
          expect(real).toHaveLength(count);
          labels.forEach((label, i) => label !== -100 && expect(label).toBe(Number(batch.ids[i]) + 1));
          predicted.push(...real);
        }
        expect(predicted).toEqual(Array.from({ length: Math.max(0, n - 1) }, (_, i) => i + 1));
      }
  });
});
