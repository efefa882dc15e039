import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planBatches } from './plan-batches.ts';

const o = { batchSize: 16, tokens: 512, waste: 0.1 };

test('every text is in one batch, and no batch is larger than it may be', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 600 }), { maxLength: 200 }), (lengths) => {
      const batches = planBatches(lengths, o);
      expect(batches.flat().toSorted((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
      for (const batch of batches) {
        const longest = Math.max(...batch.map((i) => lengths[i]!), 1);
        const padded = longest * batch.length;
        const padding = padded - batch.reduce((sum, i) => sum + Math.max(1, lengths[i]!), 0);
        expect(batch.length).toBeLessThanOrEqual(o.batchSize);
        expect(batch.length === 1 || padded <= o.tokens).toBe(true);
        expect(padding <= 48 || padding <= o.waste * padded).toBe(true);
      }
    }),
  );
});

test('mixed lengths cost little more than their tokens', () => {
  const lengths = Array.from({ length: 1000 }, (_, i) => 5 + ((i * 7919) % 120));
  const padded = planBatches(lengths, { ...o, batchSize: 64, tokens: 4096 }).reduce(
    (sum, batch) => sum + batch.length * Math.max(...batch.map((i) => lengths[i]!)),
    0,
  );
  expect(padded).toBeLessThan(1.1 * lengths.reduce((a, b) => a + b, 0));
});
