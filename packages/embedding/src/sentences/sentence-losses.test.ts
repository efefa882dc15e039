import { constant, type Tensor } from '@brickwork/graph';
import { compile } from '@brickwork/runtime';
import { expect, test } from 'vitest';
import { cosineScores, matryoshka, orderedScores, ranking, triplets, type SentenceLoss } from './sentence-losses.ts';

// Expected values are PyTorch's, of sentence-transformers' formulas.
const vectors = (start: number): Tensor =>
  constant(
    Float32Array.from({ length: 24 }, (_, i) => Math.sin(start + 1.3 * Math.floor(i / 6) + 0.7 * (i % 6) ** 2)),
    [4, 6],
  );
const [a, p, n] = [vectors(0.1), vectors(0.4), vectors(2)];
const scores = constant(Float32Array.of(0.2, 0.9, 0.5, 0.5), [4]);
// Each text its own ids; the last two, equal ones.
const ids = (rows: number, same: readonly [number, number] | null = null): Tensor => {
  const data = BigInt64Array.from({ length: rows * 3 }, (_, i) => BigInt(i + 1));
  if (same) data.copyWithin(3 * same[1], 3 * same[0], 3 * same[0] + 3);
  return constant(data, [rows, 3]);
};
async function value(loss: SentenceLoss, parts: readonly Tensor[], own = ids(4 * parts.length)): Promise<number> {
  const program = await compile({ loss: loss(parts, { ids: own, scores }) });
  const { loss: found } = await program.run({});
  await program.dispose();
  return Number(found!.data[0]);
}

test.each<[string, SentenceLoss, readonly Tensor[], number]>([
  ['partners among the batch', ranking(), [a, p], 0.00048790581],
  ['and among negatives', ranking(), [a, p, n], 0.1292502135],
  ['in both directions', ranking({ bothDirections: true }), [a, p, n], 0.0648031086],
  ['scores by cosine', cosineScores(), [a, p], 0.2379208356],
  ['the order of scores', orderedScores(), [a, p], 1.4646689892],
  ['cut to two axes, too', matryoshka(ranking(), [6, 2], [1, 0.5]), [a, p, n], 0.2790296674],
])('%s', async (_, loss, parts, expected) => {
  expect(Math.abs((await value(loss, parts)) - expected)).toBeLessThan(1e-5 * Math.max(1, expected));
});

test('triplets', async () => {
  expect(await value(triplets({ margin: 2.3 }), [a, p, n])).toBeCloseTo(0.1113442, 5);
  await expect(value(triplets(), [a, p])).rejects.toThrow(/no negatives/);
});

test('a text equal to an anchor’s positive is not its negative', async () => {
  const data = Float32Array.from({ length: 24 }, (_, i) => {
    const row = Math.floor(i / 6) === 2 ? 0 : Math.floor(i / 6);
    return Math.sin(0.4 + 1.3 * row + 0.7 * (i % 6) ** 2);
  });
  const repeated = constant(data, [4, 6]);
  expect(await value(ranking(), [a, repeated], ids(8, [4, 6]))).toBeCloseTo(5.900632858, 4);
});

test('refuses what can’t be', () => {
  expect(() => ranking({ temperature: 0 })).toThrow(/temperature is 0/);
  expect(() => matryoshka(ranking(), [])).toThrow(/no dimensions/);
  expect(() => matryoshka(ranking(), [1, 2], [1])).toThrow(/1 weights for 2/);
  expect(() => matryoshka(ranking(), [7])([a, p], { ids: ids(8), scores: null })).toThrow(
    /dimension 7; the vectors have 6/,
  );
  expect(() => cosineScores()([a, p], { ids: ids(8), scores: null })).toThrow(/no scores/);
});
