// Weights as blocks of 4- or 8-bit codes with a scale each. A scale of 4 bits is the one of several that leaves the smallest
// squared error, as in llama.cpp's reference quantizers: no data are needed to calibrate it.
import type { BlockFormat } from '@brickwork/graph';
import { hostTensor, type HostTensor } from '../host-tensor.ts';

/** A matrix (N, K) in blocks. */
export interface BlockMatrix extends BlockFormat {
  readonly N: number;
  readonly K: number;
  /** uint8 (N, blocks of a row, bytes of a block), low bits first; a code c stands for scale · (c − 2^(bits−1)). */
  readonly codes: HostTensor;
  /** float32 (N · blocks of a row). */
  readonly scales: HostTensor;
}

/**
 * A matrix in blocks along K. A last block that K doesn't fill is filled with zeros.
 *
 * @param data (N, K), or (K, N) where `transposed`.
 */
export function toBlocks(
  data: Float32Array,
  { N, K, bits, blockSize, transposed = false }: BlockFormat & { N: number; K: number; transposed?: boolean },
): BlockMatrix {
  const perRow = Math.ceil(K / blockSize);
  const bytes = (blockSize * bits) / 8;
  const codes = new Uint8Array(N * perRow * bytes);
  const scales = new Float32Array(N * perRow);
  const block = new Float32Array(blockSize);
  const own = new Uint8Array(blockSize);
  const [row, column] = transposed ? [1, N] : [K, 1];
  const put = (n: number, b: number): void => {
    const first = b * blockSize;
    const size = Math.min(blockSize, K - first);
    for (let i = 0, from = n * row + first * column; i < size; i++, from += column) block[i] = data[from]!;
    block.fill(0, size);
    const at = n * perRow + b;
    scales[at] = bits === 4 ? fourBits(block, own) : eightBits(block, own);
    if (bits === 8) codes.set(own, at * bytes);
    else for (let i = 0; i < bytes; i++) codes[at * bytes + i] = own[2 * i]! | (own[2 * i + 1]! << 4);
  };
  // As they lie in memory.
  if (transposed) for (let b = 0; b < perRow; b++) for (let n = 0; n < N; n++) put(n, b);
  else for (let n = 0; n < N; n++) for (let b = 0; b < perRow; b++) put(n, b);
  return {
    ...{ N, K, bits, blockSize },
    codes: hostTensor(codes, [N, perRow, bytes]),
    scales: hostTensor(scales, [N * perRow]),
  };
}

/** The matrix (N, K) that blocks stand for, or (K, N) where `transposed`. */
export function fromBlocks(
  { N, K, bits, blockSize, codes, scales }: BlockMatrix,
  { transposed = false }: { readonly transposed?: boolean } = {},
): Float32Array {
  const perRow = Math.ceil(K / blockSize);
  const values = new Float32Array(N * K);
  const bytes = codes.data as Uint8Array;
  const own = scales.data as Float32Array;
  const [row, column] = transposed ? [1, N] : [K, 1];
  for (let n = 0; n < N; n++)
    for (let k = 0; k < K; k++) {
      const at = n * perRow * blockSize + k;
      const code = bits === 8 ? bytes[at]! : (bytes[at >> 1]! >> (4 * (at & 1))) & 15;
      values[n * row + k * column] = own[n * perRow + Math.floor(k / blockSize)]! * (code - (bits === 8 ? 128 : 8));
    }
  return values;
}

// The largest value gets the code −8 or 7 or one nearby; then the scale is the one that fits the codes best.
const tries = [-8, -8.6, -7.4, -7.7, -8.3, -7];

function fourBits(block: Float32Array, codes: Uint8Array): number {
  const size = block.length;
  let most = 0;
  let largest = 0;
  for (let i = 0; i < size; i++) {
    const x = Math.abs(block[i]!);
    if (x <= largest) continue;
    largest = x;
    most = block[i]!;
  }
  if (largest === 0) {
    codes.fill(8);
    return 0;
  }
  let best = -1;
  let scale = 0;
  let chosen = 0;
  for (let t = 0; t < tries.length; t++) {
    const inverse = tries[t]! / most;
    let xq = 0;
    let qq = 0;
    for (let i = 0; i < size; i++) {
      const x = block[i]!;
      const q = code(x * inverse) - 8;
      xq += x * q;
      qq += q * q;
    }
    // With the scale xq / qq the squared error is Σx² − xq² / qq.
    const gain = (xq * xq) / qq;
    if (gain <= best) continue;
    best = gain;
    scale = xq / qq;
    chosen = inverse;
  }
  for (let i = 0; i < size; i++) codes[i] = code(block[i]! * chosen);
  return scale;
}

// The nearest of −8 … 7, as 0 … 15.
const code = (x: number): number => {
  const q = (x + 8.5) | 0;
  return q > 15 ? 15 : q < 0 ? 0 : q;
};

function eightBits(block: Float32Array, codes: Uint8Array): number {
  let most = 0;
  for (let i = 0; i < block.length; i++) most = Math.max(most, Math.abs(block[i]!));
  const scale = most / 127;
  const inverse = most ? 127 / most : 0;
  for (let i = 0; i < block.length; i++) codes[i] = 128 + Math.round(block[i]! * inverse);
  return scale;
}
