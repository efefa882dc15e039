// A share of right answers, and how sure it is.

/** A mean of ones and zeros. */
export interface Proportion {
  readonly value: number;
  /** The mean's standard error, of the sample's deviation (n - 1); 0 where there is one example alone. */
  readonly standardError: number;
  /** How many examples. */
  readonly count: number;
}

/** The share of right ones; NaN of none. */
export function proportion(right: readonly boolean[]): Proportion {
  const count = right.length;
  const value = right.filter(Boolean).length / count;
  // The variance of ones and zeros is p (1 - p), with n - 1 in the place of n.
  const standardError = count > 1 ? Math.sqrt((value * (1 - value)) / (count - 1)) : 0;
  return { value, standardError, count };
}

/** Where the largest value is, the first of equals, as NumPy's argmax; values that are no number are passed over. */
export function firstLargest(values: readonly number[]): number {
  let best = -1;
  values.forEach((value, i) => {
    if (!Number.isNaN(value) && (best < 0 || value > values[best]!)) best = i;
  });
  return best;
}
