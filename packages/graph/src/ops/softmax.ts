// Softmax and its logarithm along one axis.
import { apply, type Op, type Tensor } from '../tensor.ts';
import { exp, mul, sub } from './elementwise.ts';
import { sum } from './reduce.ts';
import { axisOf } from './shape.ts';

interface Axis {
  readonly axis: number;
}
// y = softmax(x);  dx = y * (g - sum(g * y))
const Softmax: Op<Axis> = {
  name: 'Softmax',
  infer: ([x]) => [x!.shape],
  onnx: ({ axis }) => ({ axis }),
  grad: ([g], _x, [y], { axis }) => [mul(y!, sub(g!, sum(mul(g!, y!), [axis], true)))],
};
/** e^x over its sum along an axis, the last unless given. */
export function softmax(x: Tensor, axis = -1): Tensor {
  return apply(Softmax, [x], { axis: axisOf('softmax', x, axis) });
}

// y = x - log(sum(e^x));  dx = g - e^y * sum(g)
const LogSoftmax: Op<Axis> = {
  name: 'LogSoftmax',
  infer: ([x]) => [x!.shape],
  onnx: ({ axis }) => ({ axis }),
  grad: ([g], _x, [y], { axis }) => [sub(g!, mul(exp(y!), sum(g!, [axis], true)))],
};
/** Logarithm of {@link softmax}, computed without overflow. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return apply(LogSoftmax, [x], { axis: axisOf('logSoftmax', x, axis) });
}
