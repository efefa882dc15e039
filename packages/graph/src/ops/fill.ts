// Tensors made from nothing: zeros and other fills, and the numbers from 0 up.
import { apply, constant, count, type DType, type Op, type Shape, type Tensor } from '../tensor.ts';
import { shapeOf } from './shape.ts';

const ConstantOfShape: Op<{ to: Shape }> = {
  name: 'ConstantOfShape',
  infer: (_, { to }) => [{ shape: to, dtype: 'float32' }],
  grad: () => [null],
};
/** float32 zeros in the shape of `x`. Never `x * 0`, which keeps NaN and infinity. */
export function zerosLike(x: Tensor): Tensor {
  if (count(x.shape) === 1) return constant(new Float32Array(1), x.shape as number[]);
  return apply(ConstantOfShape, [shapeOf(x)], { to: x.shape });
}

const Range: Op<{ size: number | string; dtype: DType }> = {
  name: 'Range',
  infer: (_, { size, dtype }) => [{ shape: [size], dtype }],
  grad: () => [null, null, null],
};
/** int64 numbers 0, 1, … up to, not including, the int64 scalar `n`; `size` names the axis. */
export function range(n: Tensor, size: number | string): Tensor {
  const number = (v: bigint): Tensor => constant(BigInt64Array.of(v), []);
  return apply(Range, [number(0n), n, number(1n)], { size, dtype: 'int64' });
}
