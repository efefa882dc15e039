// Bit operations on integers, for random bits that are computed in the graph.
import { GraphError, apply, constant, type Op, type Tensor } from '../tensor.ts';
import { broadcast } from './elementwise.ts';

const BitwiseXor: Op<object> = {
  name: 'BitwiseXor',
  infer: ([a, b]) => [broadcast(a!.shape, b!.shape, 'bitwiseXor')],
  grad: () => [null, null],
};
/** a xor b, bit by bit; integers. */
export const bitwiseXor = (a: Tensor, b: Tensor): Tensor => apply(BitwiseXor, [a, b], {});

const BitShift: Op<object> = {
  name: 'BitShift',
  infer: ([x]) => {
    if (x!.dtype !== 'uint32') throw new GraphError(`shiftRight: ${x!.dtype}; needs uint32`);
    return [x!.shape];
  },
  onnx: () => ({ direction: 'RIGHT' }),
  grad: () => [null, null],
};
/** x >>> bits for uint32. */
export const shiftRight = (x: Tensor, bits: number): Tensor =>
  apply(BitShift, [x, constant(Uint32Array.of(bits), [])], {});
