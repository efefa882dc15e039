import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  accuracy,
  classReport,
  confusionMatrix,
  hitsOf,
  markCounts,
  matthewsCorrelation,
  topKAccuracy,
} from './classification.ts';

// scikit-learn's documentation of classification_report and matthews_corrcoef: examples and their published results.
test('the report is scikit-learn’s', () => {
  const matrix = confusionMatrix([0, 0, 2, 1, 0], [0, 1, 2, 2, 0], 3);
  expect(matrix.map((row) => [...row])).toEqual([
    [2, 0, 0],
    [1, 0, 0],
    [0, 1, 1],
  ]);
  const { classes, macro, weighted, micro } = classReport(hitsOf(matrix));
  expect(classes.map(({ support }) => support)).toEqual([2, 1, 2]);
  const rounded = (x: { precision: number; recall: number; f1: number }): number[] =>
    [x.precision, x.recall, x.f1].map((v) => Number(v.toFixed(2)));
  expect(classes.map(rounded)).toEqual([
    [0.67, 1, 0.8],
    [0, 0, 0],
    [1, 0.5, 0.67],
  ]);
  expect(rounded(macro)).toEqual([0.56, 0.5, 0.49]);
  expect(rounded(weighted)).toEqual([0.67, 0.6, 0.59]);
  expect(rounded(micro)).toEqual([0.6, 0.6, 0.6]);
});

test('Matthews’ correlation is scikit-learn’s, of two classes and of three', () => {
  // y_true = [+1, +1, +1, -1], y_pred = [+1, -1, +1, +1]: -0.33…
  expect(matthewsCorrelation(confusionMatrix([1, 0, 1, 1], [1, 1, 1, 0], 2))).toBeCloseTo(-1 / 3, 12);
  // Of three classes, the correlation of all indicator vectors together (Gorodkin, 2004), in plain sums.
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat(2)), { minLength: 2, maxLength: 30 }), (pairs) => {
      const n = pairs.length;
      const mean = (side: 0 | 1, c: number): number => pairs.filter((p) => p[side] === c).length / n;
      const cov = (a: 0 | 1, b: 0 | 1): number =>
        [0, 1, 2].reduce(
          (sum, c) =>
            sum +
            pairs.reduce((s, p) => s + (Number(p[a] === c) - mean(a, c)) * (Number(p[b] === c) - mean(b, c)), 0) / n,
          0,
        );
      const spread = Math.sqrt(cov(0, 0) * cov(1, 1));
      const found = matthewsCorrelation(
        confusionMatrix(
          pairs.map((p) => p[0]),
          pairs.map((p) => p[1]),
          3,
        ),
      );
      expect(found).toBeCloseTo(spread < 1e-12 ? 0 : cov(0, 1) / spread, 9);
    }),
  );
});

test('accuracy counts what is right, top-k what is among the k best', () => {
  expect(accuracy([1, 2, 3, 4], [1, 2, 0, 4])).toBe(0.75);
  expect(accuracy([], [])).toBe(0);
  const scores = [0.1, 0.5, 0.4, 0.9, 0.05, 0.05, 0.3, 0.3, 0.4];
  expect(topKAccuracy(scores, [2, 1, 1], 1)).toBe(0);
  expect(topKAccuracy(scores, [2, 1, 1], 2)).toBeCloseTo(2 / 3, 12);
  expect(topKAccuracy(scores, [2, 2, 1], 3)).toBe(1);
});

test('several marks are counted class by class', () => {
  const { counts, exact } = markCounts([1, 0, 1, 0, 1, 1], [1, 0, 0, 0, 1, 1], 3);
  expect(exact).toBe(0.5);
  expect(counts).toEqual([
    { hits: 1, wrong: 0, missed: 0 },
    { hits: 1, wrong: 0, missed: 0 },
    { hits: 1, wrong: 1, missed: 0 },
  ]);
  const { micro, macro } = classReport(counts);
  expect(micro.f1).toBeCloseTo(6 / 7, 12);
  expect(macro.f1).toBeCloseTo((1 + 1 + 2 / 3) / 3, 12);
});

test('what doesn’t fit is refused', () => {
  expect(() => accuracy([1], [1, 2])).toThrow('1 predictions for 2 labels');
  expect(() => confusionMatrix([3], [0], 3)).toThrow('class 3; needs whole numbers from 0 to 2');
  expect(() => topKAccuracy([1, 2, 3], [0, 1], 1)).toThrow('3 scores for 2 labels');
  expect(() => topKAccuracy([1, 2], [0, 0], 0)).toThrow('k is 0');
});
