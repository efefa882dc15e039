// How well classes are told: counts of what was taken for what, and the usual scores made of them.

/** Counts by true class (row) and predicted class (column). */
export type ConfusionMatrix = readonly Float64Array[];

const ratio = (a: number, b: number): number => (b ? a / b : 0);
const total = (values: Iterable<number>): number => {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
};

function same(who: string, predicted: ArrayLike<unknown>, actual: ArrayLike<unknown>): number {
  if (predicted.length !== actual.length)
    throw new Error(`${who}: ${predicted.length} predictions for ${actual.length} labels; needs one for each`);
  return predicted.length;
}

/**
 * Counts what was taken for what.
 *
 * @param predicted class of each example, from 0 @param actual the true one @param classes how many there are
 */
export function confusionMatrix(
  predicted: ArrayLike<number>,
  actual: ArrayLike<number>,
  classes: number,
): ConfusionMatrix {
  const n = same('confusionMatrix', predicted, actual);
  const counts = Array.from({ length: classes }, () => new Float64Array(classes));
  for (let i = 0; i < n; i++) {
    const [p, a] = [predicted[i]!, actual[i]!];
    for (const c of [p, a])
      if (!(Number.isInteger(c) && c >= 0 && c < classes))
        throw new Error(`confusionMatrix: example ${i} has class ${c}; needs whole numbers from 0 to ${classes - 1}`);
    counts[a]![p]!++;
  }
  return counts;
}

/** The share of examples whose prediction is right; 0 where there are none. */
export function accuracy(predicted: ArrayLike<unknown>, actual: ArrayLike<unknown>): number {
  const n = same('accuracy', predicted, actual);
  let right = 0;
  for (let i = 0; i < n; i++) right += Number(predicted[i] === actual[i]);
  return ratio(right, n);
}

/**
 * The share of examples whose true class is among the k of the highest scores. Of equal scores, the class of the lower number
 * comes first.
 *
 * @param scores (N, V), row-major @param actual N classes
 */
export function topKAccuracy(scores: ArrayLike<number>, actual: ArrayLike<number>, k: number): number {
  const V = scores.length / actual.length;
  if (actual.length && !Number.isInteger(V))
    throw new Error(`topKAccuracy: ${scores.length} scores for ${actual.length} labels; needs as many for each`);
  if (!(Number.isInteger(k) && k > 0)) throw new Error(`topKAccuracy: k is ${k}; needs a whole number above 0`);
  let right = 0;
  for (let i = 0; i < actual.length; i++) {
    const own = scores[i * V + actual[i]!]!;
    let before = 0;
    for (let c = 0; c < V; c++) {
      const other = scores[i * V + c]!;
      if (other > own || (other === own && c < actual[i]!)) before++;
    }
    right += Number(before < k);
  }
  return ratio(right, actual.length);
}

/** Precision, recall and their harmonic mean, each 0 where it would be 0/0. */
export interface PrecisionRecall {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** How many examples have the class, or were counted. */
  readonly support: number;
}

/** Found and true, found and false, and not found. */
export interface Hits {
  readonly hits: number;
  readonly wrong: number;
  readonly missed: number;
}
/** Precision, recall and F1 of counts. */
export const precisionRecall = ({ hits, wrong, missed }: Hits): PrecisionRecall => ({
  precision: ratio(hits, hits + wrong),
  recall: ratio(hits, hits + missed),
  f1: ratio(2 * hits, 2 * hits + wrong + missed),
  support: hits + missed,
});

/** The scores of each class, and of all by the usual means. */
export interface ClassReport {
  readonly classes: readonly PrecisionRecall[];
  /** Of all decisions together. */
  readonly micro: PrecisionRecall;
  /** The mean over the classes that are there, predicted or true. */
  readonly macro: PrecisionRecall;
  /** The mean over classes, each as much as it has examples. */
  readonly weighted: PrecisionRecall;
}

/** The counts of each class in a confusion matrix. */
export const hitsOf = (matrix: ConfusionMatrix): Hits[] =>
  matrix.map((row, c) => {
    const hits = row[c]!;
    return { hits, wrong: total(matrix.map((other) => other[c]!)) - hits, missed: total(row) - hits };
  });

/** {@link ClassReport} of counts by class: of one label an example, or of several. */
export function classReport(counts: readonly Hits[]): ClassReport {
  const classes = counts.map(precisionRecall);
  const sum = (field: keyof Hits): number => total(counts.map((c) => c[field]));
  const all = { hits: sum('hits'), wrong: sum('wrong'), missed: sum('missed') };
  const mean = (weights: readonly number[]): PrecisionRecall => {
    const of = (field: keyof PrecisionRecall): number =>
      ratio(total(classes.map((c, i) => weights[i]! * c[field])), total(weights));
    return { precision: of('precision'), recall: of('recall'), f1: of('f1'), support: all.hits + all.missed };
  };
  return {
    classes,
    micro: precisionRecall(all),
    macro: mean(counts.map(({ hits, wrong, missed }) => Number(hits + wrong + missed > 0))),
    weighted: mean(classes.map(({ support }) => support)),
  };
}

/**
 * Matthews' correlation of a confusion matrix, of any number of classes (Gorodkin, 2004): 1 is right throughout, 0 no better
 * than chance; 0 where only one class is there or predicted.
 */
export function matthewsCorrelation(matrix: ConfusionMatrix): number {
  const truth = matrix.map(total);
  const guess = matrix.map((_, c) => total(matrix.map((row) => row[c]!)));
  const all = total(truth);
  const right = total(matrix.map((row, c) => row[c]!));
  const product = (a: readonly number[], b: readonly number[]): number => total(a.map((v, c) => v * b[c]!));
  const spread = Math.sqrt((all * all - product(truth, truth)) * (all * all - product(guess, guess)));
  return ratio(right * all - product(truth, guess), spread);
}

/** Counts of several marks for each example, 0 or 1: (N, V), row-major; and the share of examples with all marks right. */
export function markCounts(
  predicted: ArrayLike<number>,
  actual: ArrayLike<number>,
  width: number,
): { readonly counts: Hits[]; readonly exact: number } {
  const n = same('markCounts', predicted, actual);
  const counts = Array.from({ length: width }, () => ({ hits: 0, wrong: 0, missed: 0 }));
  let exact = 0;
  for (let first = 0; first < n; first += width) {
    let isSame = true;
    for (let c = 0; c < width; c++) {
      const [p, a] = [Boolean(predicted[first + c]), Boolean(actual[first + c])];
      if (p && a) counts[c]!.hits++;
      else if (p) counts[c]!.wrong++;
      else if (a) counts[c]!.missed++;
      isSame &&= p === a;
    }
    exact += Number(isSame);
  }
  return { counts, exact: ratio(exact * width, n) };
}
