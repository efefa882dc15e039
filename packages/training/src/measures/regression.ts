// How near predicted numbers are to the true ones, and how well they go together.

function paired(who: string, x: ArrayLike<number>, y: ArrayLike<number>): number {
  if (x.length !== y.length) throw new Error(`${who}: ${x.length} numbers and ${y.length}; needs as many`);
  return x.length;
}
const mean = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return values.length ? sum / values.length : 0;
};

/** Pearson's correlation: how nearly the pairs lie on a line; 0 where one side doesn't vary. */
export function pearson(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const n = paired('pearson', x, y);
  const [mx, my] = [mean(x), mean(y)];
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const [dx, dy] = [x[i]! - mx, y[i]! - my];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  const spread = Math.sqrt(xx * yy);
  return spread ? xy / spread : 0;
}

/** The rank of each value from 0, equal ones sharing the mean of theirs. */
export function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from({ length: values.length }, (_, i) => i).toSorted((a, b) => values[a]! - values[b]!);
  const result = new Float64Array(values.length);
  for (let first = 0; first < order.length;) {
    let end = first + 1;
    while (end < order.length && values[order[end]!] === values[order[first]!]) end++;
    for (let i = first; i < end; i++) result[order[i]!] = (first + end - 1) / 2;
    first = end;
  }
  return result;
}

/** Spearman's correlation: Pearson's of the ranks. */
export const spearman = (x: ArrayLike<number>, y: ArrayLike<number>): number => {
  paired('spearman', x, y);
  return pearson(ranks(x), ranks(y));
};

/** Mean squared and mean absolute error, and the share of the variance that is explained (1 is all; 0 where there is none). */
export function errors(
  predicted: ArrayLike<number>,
  actual: ArrayLike<number>,
): { readonly mse: number; readonly rmse: number; readonly mae: number; readonly r2: number } {
  const n = paired('errors', predicted, actual);
  const middle = mean(actual);
  let [square, absolute, spread] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const e = predicted[i]! - actual[i]!;
    square += e * e;
    absolute += Math.abs(e);
    spread += (actual[i]! - middle) ** 2;
  }
  const mse = n ? square / n : 0;
  return { mse, rmse: Math.sqrt(mse), mae: n ? absolute / n : 0, r2: spread ? 1 - square / spread : 0 };
}
