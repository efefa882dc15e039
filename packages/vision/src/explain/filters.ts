// A first layer's filters, looked at (the lecture's diagnosis; Zeiler and Fergus, 2014, section 4.1): trained well they are smooth
// edges and colours; some that are nearly zero are dead, and speckled ones were trained too shortly or with too little
// regularisation.
import type { HostTensor } from '@brickwork/runtime';

/** What a filter looks like, by numbers. */
export interface FilterDiagnosis {
  readonly filter: number;
  /** Root of the mean of its squares. */
  readonly size: number;
  /**
   * The mean square of differences between neighbours, over twice its variance: about 1 for noise, whatever its size, near 0
   * for what is smooth; null for a filter without neighbours or of one value.
   */
  readonly roughness: number | null;
  /** `small`: of 3 by 3 or fewer values, in which edges can't be told from noise. */
  readonly verdict: 'smooth' | 'noisy' | 'dead' | 'small';
}

/** Where the lines are drawn. */
export interface FilterDiagnosisOptions {
  /** A filter is dead below this part of the median filter's size; 0.1 unless given. */
  readonly dead?: number;
  /** It is noisy from this roughness on; 0.6 unless given. */
  readonly noisy?: number;
}

/** Filters (outputs, inputs, height, width) one by one. @throws where they aren't that. */
export function diagnoseFilters(
  weight: HostTensor,
  { dead = 0.1, noisy = 0.6 }: FilterDiagnosisOptions = {},
): FilterDiagnosis[] {
  const { data, shape } = weight;
  if (shape.length !== 4)
    throw new Error(
      `diagnoseFilters: (${shape.join(', ')}); needs a convolution’s weight (outputs, inputs, height, width)`,
    );
  const [O, I, H, W] = shape as [number, number, number, number];
  const size = I * H * W;
  const values = Array.from({ length: O }, (_, o) =>
    Float64Array.from({ length: size }, (_, i) => Number(data[o * size + i])),
  );
  const sizes = values.map((filter) => Math.sqrt(filter.reduce((sum, v) => sum + v * v, 0) / size));
  const median = sizes.toSorted((a, b) => a - b)[sizes.length >> 1] ?? 0;
  return values.map((filter, o) => {
    const roughness = roughnessOf(filter, I, H, W);
    const isDead = !(sizes[o]! > dead * median);
    const isSmall = Math.min(H, W) <= 3;
    const verdict = isDead ? 'dead' : isSmall ? 'small' : roughness !== null && roughness >= noisy ? 'noisy' : 'smooth';
    return { filter: o, size: sizes[o]!, roughness, verdict };
  });
}

// Neighbours of one channel, side by side and one above the other. Of independent values the mean square of a difference is
// twice the variance.
function roughnessOf(filter: Float64Array, I: number, H: number, W: number): number | null {
  let [squares, pairs, variance] = [0, 0, 0];
  for (let c = 0; c < I; c++) {
    const own = filter.subarray(c * H * W, (c + 1) * H * W);
    const mean = own.reduce((sum, v) => sum + v, 0) / own.length;
    variance += own.reduce((sum, v) => sum + (v - mean) ** 2, 0) / Math.max(1, own.length - 1);
    for (let y = 0; y < H; y++)
      for (let x = 0; x < W; x++) {
        const at = own[y * W + x]!;
        if (x + 1 < W) [squares, pairs] = [squares + (own[y * W + x + 1]! - at) ** 2, pairs + 1];
        if (y + 1 < H) [squares, pairs] = [squares + (own[(y + 1) * W + x]! - at) ** 2, pairs + 1];
      }
  }
  return pairs && variance > 0 ? squares / pairs / (2 * (variance / I)) : null;
}
