// The length of a gradient over all weights, and how much to scale it down (Pascanu et al., 2013: clipping by norm).
import { kernelsFor } from './arena.ts';

/**
 * The square root of the sum of squares, summed in float64 and always in the same order: sixteen sums that take turns,
 * four in each quarter of the array. The SIMD kernel gives the same bits.
 */
export function gradientNorm(values: Float32Array): number {
  const quarter = Math.floor(values.length / 16) * 4;
  let total = quarter ? sumOfQuarters(values, quarter) : 0;
  for (let i = 4 * quarter; i < values.length; i++) total += values[i]! * values[i]!;
  return Math.sqrt(total);
}

function sumOfQuarters(values: Float32Array, quarter: number): number {
  const kernels = kernelsFor(values);
  if (kernels && values.byteOffset % 16 === 0)
    return kernels.sumOfSquares(values.byteOffset, values.byteOffset + 4 * quarter, 4 * quarter);
  const sums = new Float64Array(16);
  for (let i = 0; i < quarter; i += 4)
    for (let lane = 0; lane < 16; lane++) {
      const x = values[(lane >> 2) * quarter + i + (lane & 3)]!;
      sums[lane]! += x * x;
    }
  return sums.reduce((a, b) => a + b);
}

/** What to multiply gradients with so that their norm is at most `limit`; 0 is no limit. */
export const clipScale = (norm: number, limit: number): number => (limit > 0 && norm > limit ? limit / norm : 1);
