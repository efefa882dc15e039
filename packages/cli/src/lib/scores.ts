// The scores of predictions that lm finetune and lm eval show, by their usual definitions.

/** Scores by name, in the order in which they are shown. */
export type Scores = Record<string, number>;

const ratio = (a: number, b: number): number => (b ? a / b : 0);
const mean = (values: readonly number[]): number =>
  ratio(
    values.reduce((a, b) => a + b, 0),
    values.length,
  );

interface Counts {
  /** Of one class: found and true, found and false, not found. */
  readonly hits: number;
  readonly wrong: number;
  readonly missed: number;
}
const f1 = ({ hits, wrong, missed }: Counts): number => ratio(2 * hits, 2 * hits + wrong + missed);

/** Of the classes predicted for each example, and the true ones. */
export function classScores(predicted: readonly number[], actual: readonly number[], classes: number): Scores {
  const confusion = Array.from({ length: classes }, () => new Float64Array(classes)); // actual by predicted
  predicted.forEach((p, i) => confusion[actual[i]!]![p]!++);
  const all = predicted.length;
  const truth = confusion.map((row) => row.reduce((a, b) => a + b, 0));
  const guess = truth.map((_, c) => confusion.reduce((n, row) => n + row[c]!, 0));
  const counts = truth.map((n, c): Counts => {
    const hits = confusion[c]![c]!;
    return { hits, wrong: guess[c]! - hits, missed: n - hits };
  });
  const right = counts.reduce((n, { hits }) => n + hits, 0);
  // Matthews' correlation of any number of classes (Gorodkin, 2004).
  const covariance = (a: readonly number[], b: readonly number[]): number =>
    all * all - a.reduce((n, v, c) => n + v * b[c]!, 0);
  const together = right * all - truth.reduce((n, v, c) => n + v * guess[c]!, 0);
  const matthews = ratio(together, Math.sqrt(covariance(truth, truth) * covariance(guess, guess)));
  const accuracy = ratio(right, all);
  // Of two classes, the second is what is looked for.
  const binary = counts[1];
  if (classes === 2 && binary)
    return {
      accuracy,
      f1: f1(binary),
      precision: ratio(binary.hits, binary.hits + binary.wrong),
      recall: ratio(binary.hits, binary.hits + binary.missed),
      matthews,
    };
  const there = counts.filter((_, c) => truth[c]! + guess[c]! > 0);
  return { accuracy, f1_macro: mean(there.map(f1)), matthews };
}

/** Of several marks for each example, 0 or 1: `width` after another. */
export function markScores(predicted: readonly number[], actual: readonly number[], width: number): Scores {
  const counts = Array.from({ length: width }, () => ({ hits: 0, wrong: 0, missed: 0 }));
  let exact = 0;
  for (let first = 0; first < predicted.length; first += width) {
    let same = true;
    for (let c = 0; c < width; c++) {
      const [p, a] = [predicted[first + c]!, actual[first + c]!];
      if (p && a) counts[c]!.hits++;
      else if (p) counts[c]!.wrong++;
      else if (a) counts[c]!.missed++;
      same &&= p === a;
    }
    exact += Number(same);
  }
  const sum = counts.reduce((s, c) => ({
    hits: s.hits + c.hits,
    wrong: s.wrong + c.wrong,
    missed: s.missed + c.missed,
  }));
  return { exact_match: ratio(exact * width, predicted.length), f1_micro: f1(sum), f1_macro: mean(counts.map(f1)) };
}

/** Of numbers. */
export function numberScores(predicted: readonly number[], actual: readonly number[]): Scores {
  const error = mean(predicted.map((p, i) => (p - actual[i]!) ** 2));
  return {
    pearson: pearson(predicted, actual),
    spearman: pearson(ranks(predicted), ranks(actual)),
    rmse: Math.sqrt(error),
  };
}

function pearson(x: readonly number[], y: readonly number[]): number {
  const [mx, my] = [mean(x), mean(y)];
  let [xy, xx, yy] = [0, 0, 0];
  x.forEach((v, i) => {
    const [dx, dy] = [v - mx, y[i]! - my];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  });
  return ratio(xy, Math.sqrt(xx * yy));
}

// Equal values share the mean of their ranks.
function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).toSorted((a, b) => values[a]! - values[b]!);
  const result = Array<number>(values.length);
  for (let first = 0; first < order.length;) {
    let end = first + 1;
    while (end < order.length && values[order[end]!] === values[order[first]!]) end++;
    for (let i = first; i < end; i++) result[order[i]!] = (first + end - 1) / 2;
    first = end;
  }
  return result;
}
