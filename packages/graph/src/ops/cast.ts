// Conversion between element types.
import { apply, type DType, type Op, type Tensor } from '../tensor.ts';

/** ONNX's numbers for element types (TensorProto.DataType). */
export const onnxType: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
};
const real = (dtype: DType): boolean => dtype.includes('float');

const Cast: Op<{ to: DType }> = {
  name: 'Cast',
  infer: ([x], { to }) => [{ shape: x!.shape, dtype: to }],
  onnx: ({ to }) => ({ to: onnxType[to] }),
  grad: ([g], [x], [y]) => [real(x!.dtype) && real(y!.dtype) ? cast(g!, x!.dtype) : null],
};
/** Converts the element type; the gradient passes between real types and stops at integers and bool. */
export function cast(x: Tensor, to: DType): Tensor {
  return x.dtype === to ? x : apply(Cast, [x], { to });
}
