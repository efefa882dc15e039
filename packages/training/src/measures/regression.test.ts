import { expect, test } from 'vitest';
import { errors, pearson, ranks, spearman } from './regression.ts';

const x = [1, 2, 2, 4, 8.5, -3, 0, 7];
const y = [2, 1, 3, 5, 4, -1, 0.5, 9];

// numpy: np.corrcoef(x, y)[0, 1]; and of the ranks [3, 4.5, 4.5, 6, 8, 1, 2, 7], [4, 3, 5, 7, 6, 1, 2, 8].
test('correlations are numpy’s', () => {
  expect(pearson(x, y)).toBeCloseTo(0.8197401923736776, 12);
  expect(spearman(x, y)).toBeCloseTo(0.8862434338158116, 12);
  expect(
    pearson(
      x,
      x.map((v) => 3 - 2 * v),
    ),
  ).toBeCloseTo(-1, 12);
  expect(
    spearman(
      x,
      x.map((v) => v ** 3),
    ),
  ).toBeCloseTo(1, 12);
  expect(pearson([1, 1], [2, 3])).toBe(0);
});

test('equal values share the mean of their ranks', () => {
  expect([...ranks([5, 1, 5, 5, 0])]).toEqual([3, 1, 3, 3, 0]);
});

test('errors, and the share of the variance that is explained', () => {
  const { mse, rmse, mae, r2 } = errors([1, 2, 4], [1, 4, 1]);
  expect([mse, mae]).toEqual([13 / 3, 5 / 3]);
  expect(rmse).toBeCloseTo(Math.sqrt(13 / 3), 12);
  expect(r2).toBeCloseTo(1 - 13 / 6, 12);
  expect(errors([2, 2], [1, 3]).r2).toBe(0);
});

test('sides of different length are refused', () => {
  for (const measure of [pearson, spearman, errors]) expect(() => measure([1], [1, 2])).toThrow('1 numbers and 2');
});
