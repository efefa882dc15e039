// Weights as int8 with a scale for each output, for products with activations that are rounded as they come.
import { hostTensor, type HostTensor } from '../host-tensor.ts';

/** A matrix (K, N) of int8 codes and the scale of each column. */
export interface ColumnMatrix {
  readonly codes: HostTensor;
  readonly scales: HostTensor;
}

/** @param data (K, N), or (N, K) where `transposed`. */
export function toColumns(
  data: Float32Array,
  { K, N, transposed = false }: { K: number; N: number; transposed?: boolean },
): ColumnMatrix {
  const [row, column] = transposed ? [1, K] : [N, 1];
  const codes = new Int8Array(K * N);
  const scales = new Float32Array(N);
  for (let n = 0; n < N; n++) {
    let most = 0;
    for (let k = 0; k < K; k++) most = Math.max(most, Math.abs(data[k * row + n * column]!));
    scales[n] = most / 127;
    const inverse = most ? 127 / most : 0;
    for (let k = 0; k < K; k++) codes[k * N + n] = Math.round(data[k * row + n * column]! * inverse);
  }
  return { codes: hostTensor(codes, [K, N]), scales: hostTensor(scales, [N]) };
}
