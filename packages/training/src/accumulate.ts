// Gradient accumulation: the gradients of several batches summed, each with the weight of its tokens, as if they were one.
import { kernelsFor } from './arena.ts';

/** sums = sums + x·weight, in float32; the SIMD kernel gives the same bits. The first of several replaces what was there. */
export function accumulate(sums: Float32Array, x: Float32Array, weight: number, isFirst: boolean): void {
  if (sums.length !== x.length) throw new Error(`accumulate: ${x.length} gradients for ${sums.length} sums`);
  if (isFirst) sums.fill(0);
  const kernels = kernelsFor(sums, x);
  let i = 0;
  if (kernels && sums.length >= 4) {
    i = sums.length - (sums.length % 4);
    kernels.addScaled(sums.byteOffset, x.byteOffset, sums.byteOffset + 4 * i, weight);
  }
  const w = Math.fround(weight);
  for (; i < sums.length; i++) sums[i] = Math.fround(sums[i]! + Math.fround(x[i]! * w));
}
