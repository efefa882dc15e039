// What all vectors have in common tells them apart in nothing: their mean and first principal components, taken away (Mu and
// Viswanath, 2018, 'All-but-the-top'; the first one alone, weighted by frequency, is Arora et al.'s, 2017).
import { random } from '@brickwork/nn';

/** The mean and the first components of rows (N, D), most spread first. */
export interface CommonComponents {
  readonly mean: Float64Array;
  readonly components: Float64Array[];
}

/**
 * Finds what rows have in common, by power iteration.
 *
 * @param weights of the rows; all 1 unless given
 * @param center takes the mean away first; true unless given
 */
export function commonComponents(
  rows: Float32Array,
  D: number,
  {
    count = 2,
    weights,
    center = true,
  }: { readonly count?: number; readonly weights?: ArrayLike<number>; readonly center?: boolean } = {},
): CommonComponents {
  const N = rows.length / D;
  if (!Number.isInteger(N) || N < 1) throw new Error(`commonComponents: ${rows.length} values are no rows of ${D}`);
  if (!(Number.isInteger(count) && count >= 0 && count <= D))
    throw new Error(`commonComponents: count is ${count}; needs a whole number from 0 to ${D}`);
  const weightOf = (n: number): number => weights?.[n] ?? 1;
  const mean = new Float64Array(D);
  let total = 0;
  for (let n = 0; n < N; n++) total += weightOf(n);
  if (center)
    for (let n = 0; n < N; n++) for (let i = 0; i < D; i++) mean[i]! += (weightOf(n) * rows[n * D + i]!) / total;
  // (D, D) second moments: one pass over the rows, and no more.
  const moments = new Float64Array(D * D);
  const one = new Float64Array(D);
  for (let n = 0; n < N; n++) {
    const w = weightOf(n);
    for (let i = 0; i < D; i++) one[i] = rows[n * D + i]! - mean[i]!;
    for (let i = 0; i < D; i++) {
      const x = w * one[i]!;
      if (x) for (let j = i; j < D; j++) moments[i * D + j]! += x * one[j]!;
    }
  }
  for (let i = 0; i < D; i++) for (let j = 0; j < i; j++) moments[i * D + j] = moments[j * D + i]!;
  const draw = random(1);
  const components: Float64Array[] = [];
  for (let c = 0; c < count; c++) {
    let x = Float64Array.from({ length: D }, () => draw.normal());
    for (let step = 0; step < 300; step++) {
      const y = new Float64Array(D);
      for (let i = 0; i < D; i++) for (let j = 0; j < D; j++) y[i]! += moments[i * D + j]! * x[j]!;
      for (const done of components) take(y, done, 0);
      const length = Math.sqrt(y.reduce((sum, v) => sum + v * v, 0));
      if (!(length > 0)) break;
      const next = y.map((v) => v / length);
      const moved = next.reduce((sum, v, i) => sum + (v - x[i]!) ** 2, 0);
      x = next;
      if (moved < 1e-20) break;
    }
    components.push(x);
  }
  return { mean, components };
}

/** Takes the mean and the components away from rows (N, D), in place. */
export function removeCommon(rows: Float32Array, { mean, components }: CommonComponents): Float32Array {
  const D = mean.length;
  for (let from = 0; from < rows.length; from += D) {
    for (let i = 0; i < D; i++) rows[from + i]! -= mean[i]!;
    for (const one of components) take(rows, one, from);
  }
  return rows;
}

function take(x: Float32Array | Float64Array, component: Float64Array, from: number): void {
  let along = 0;
  for (let i = 0; i < component.length; i++) along += x[from + i]! * component[i]!;
  for (let i = 0; i < component.length; i++) x[from + i]! -= along * component[i]!;
}
