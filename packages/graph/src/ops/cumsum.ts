// Running totals along an axis.
import { apply, constant, type Op, type Tensor } from '../tensor.ts';
import { axisOf } from './shape.ts';

// y_i = x_0 + … + x_i;  dx_i = g_i + … + g_last: the running total from the other end.
const CumSum: Op<{ axis: number; reverse: boolean }> = {
  name: 'CumSum',
  infer: ([x]) => [x!.shape],
  onnx: ({ reverse }) => ({ reverse: reverse ? 1 : 0 }),
  grad: ([g], _x, _y, { axis, reverse }) => [cumsum(g!, axis, { reverse: !reverse }), null],
};
/** The sum of each value and all before it along an axis, the last unless given; `reverse` sums from the end. */
export function cumsum(x: Tensor, axis = -1, { reverse = false }: { readonly reverse?: boolean } = {}): Tensor {
  const at = axisOf('cumsum', x, axis);
  return apply(CumSum, [x, constant(BigInt64Array.of(BigInt(at)), [])], { axis: at, reverse });
}
