// Products with weights of few bits: blocks of codes with a scale each, which the engine multiplies as they are, and weights
// of 8 bits against activations that are rounded as they come (Dettmers et al., 2022; Jacob et al., 2018).
import { GraphError, absent, apply, applyAll, ints, show, type Op, type Shape, type Tensor } from '../tensor.ts';
import { cast } from './cast.ts';
import { mul } from './elementwise.ts';

/** How a matrix is cut into blocks of codes. */
export interface BlockFormat {
  /** Bits of a code. */
  readonly bits: 4 | 8;
  /** Values that share a scale: 16, 32, 64, 128 or 256. */
  readonly blockSize: number;
}

interface NBits extends BlockFormat {
  readonly K: number;
  readonly N: number;
  readonly accuracy: number;
}

// y = x W' for W (N, K) whose rows are blocks of codes c with scales s: W = s (c - 2^(bits-1)).
const MatMulNBits: Op<NBits> = {
  name: 'MatMulNBits',
  domain: 'com.microsoft',
  infer: ([x, codes, scales, , , bias], { K, N, bits, blockSize }) => {
    const blocks = Math.ceil(K / blockSize);
    const isRight = String(codes!.shape) === String([N, blocks, (blockSize * bits) / 8]) && codes!.dtype === 'uint8';
    const count = scales!.shape.reduce<number>((n, d) => n * Number(d), 1);
    if (x!.shape.at(-1) !== K || !isRight || count !== N * blocks)
      throw new GraphError(
        `matmulNBits: ${show(x!.shape)} x codes ${show(codes!.shape)}, scales ${show(scales!.shape)}; needs (…, ${K}), uint8 (${N}, ${blocks}, ${(blockSize * bits) / 8}) and ${N * blocks} scales`,
      );
    if (bias && String(bias.shape) !== String([N]))
      throw new GraphError(`matmulNBits: a bias ${show(bias.shape)}; needs (${N})`);
    return [[...x!.shape.slice(0, -1), N]];
  },
  onnx: ({ K, N, bits, blockSize, accuracy }) => ({ K, N, bits, block_size: blockSize, accuracy_level: accuracy }),
};
/**
 * x (…, K) times the transpose of a matrix (N, K) in blocks: (…, N). Activations are rounded to 8 bits within blocks on the
 * way, row by row, so that a row's result doesn't depend on the others.
 *
 * @param codes uint8 (N, blocks of a row, bytes of a block), low bits first.
 * @param scales float32, blocks of a row for each of N rows.
 * @param bias (N), added; none unless given.
 */
export function matmulNBits(
  x: Tensor,
  codes: Tensor,
  scales: Tensor,
  { K, N, bits, blockSize }: BlockFormat & { readonly K: number; readonly N: number },
  bias: Tensor | null = null,
): Tensor {
  // Level 4: products of whole numbers. Half as fast without it.
  const inputs = bias ? [x, codes, scales, absent, absent, bias] : [x, codes, scales];
  return apply(MatMulNBits, inputs, { K, N, bits, blockSize, accuracy: 4 });
}

interface Blocks extends BlockFormat {
  readonly width: number;
}
const GatherBlockQuantized: Op<Blocks> = {
  name: 'GatherBlockQuantized',
  domain: 'com.microsoft',
  infer: ([codes, index, scales], { width, bits }) => {
    if (codes!.rank !== 2 || Number(codes!.shape[1]) * (8 / bits) !== width || codes!.dtype !== 'uint8')
      throw new GraphError(`gatherBlocks: codes ${show(codes!.shape)}; needs uint8 (V, ${(width * bits) / 8})`);
    return [{ shape: [...index!.shape, width] as Shape, dtype: scales!.dtype }];
  },
  onnx: ({ bits, blockSize }) => ({ gather_axis: 0, quantize_axis: 1, block_size: blockSize, bits }),
};
// A node, though its input be a constant: a file then holds the codes of a tied table once.
const Reshape: Op<{ to: Shape }> = { name: 'Reshape', infer: (_, { to }) => [to] };

/**
 * Rows of a table (V, C) in blocks, as {@link matmulNBits} takes it, by int64 index (B, T): (B, T, C). C is a multiple of the
 * block's size.
 */
export function gatherBlocks(
  codes: Tensor,
  index: Tensor,
  scales: Tensor,
  { K, N, bits, blockSize }: BlockFormat & { readonly K: number; readonly N: number },
): Tensor {
  if (K % blockSize)
    throw new GraphError(`gatherBlocks: rows of ${K} in blocks of ${blockSize}; needs a multiple of that`);
  const shaped = (x: Tensor, to: readonly number[]): Tensor => apply(Reshape, [x, ints(to)], { to });
  const rows = shaped(codes, [N, (K * bits) / 8]);
  const own = shaped(scales, [N, K / blockSize]);
  return apply(GatherBlockQuantized, [rows, index, own], { width: K, bits, blockSize });
}

const DynamicQuantizeLinear: Op<object> = {
  name: 'DynamicQuantizeLinear',
  infer: ([x]) => [
    { shape: x!.shape, dtype: 'uint8' },
    { shape: [], dtype: 'float32' },
    { shape: [], dtype: 'uint8' },
  ],
};
const MatMulInteger: Op<object> = {
  name: 'MatMulInteger',
  infer: ([x, w]) => {
    if (w!.rank !== 2 || x!.shape.at(-1) !== w!.shape[0])
      throw new GraphError(`dynamicMatmul: ${show(x!.shape)} x ${show(w!.shape)}; the inner sizes differ`);
    return [{ shape: [...x!.shape.slice(0, -1), w!.shape[1]!], dtype: 'int32' }];
  },
};
/**
 * x (…, K) times an int8 matrix (K, N) with a scale for each column: (…, N). All of x shares one scale, which follows from
 * its values as they come: a row's result depends a little on the others.
 */
export function dynamicMatmul(x: Tensor, weight: Tensor, scales: Tensor, zero: Tensor): Tensor {
  const [codes, scale, middle] = applyAll(DynamicQuantizeLinear, [x], {}) as [Tensor, Tensor, Tensor];
  const product = apply(MatMulInteger, [codes, weight, middle, zero], {});
  return mul(cast(product, 'float32'), mul(scale, scales));
}
