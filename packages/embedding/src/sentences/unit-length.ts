// Vectors of length one, in a graph and in memory.
import { div, maximum, mul, sqrt, sum, type Tensor } from '@brickwork/graph';

/** x / ‖x‖ over the last axis, as PyTorch's `normalize` (zeros stay zeros). */
export const unitLength = (x: Tensor): Tensor => div(x, maximum(sqrt(sum(mul(x, x), [-1], true)), 1e-12));

/** Divides a vector by its length, in place; zeros stay zeros. */
export function normalizeVector(vector: Float32Array): Float32Array {
  let squares = 0;
  for (let i = 0; i < vector.length; i++) squares += vector[i]! * vector[i]!;
  const length = Math.max(Math.sqrt(squares), 1e-12);
  for (let i = 0; i < vector.length; i++) vector[i]! /= length;
  return vector;
}
