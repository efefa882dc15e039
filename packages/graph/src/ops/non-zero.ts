// Where values are: positions whose number is only known when the graph runs.
import { GraphError, apply, show, type Op, type Tensor } from '../tensor.ts';
import { squeeze } from './shape.ts';

const NonZero: Op<{ size: string }> = {
  name: 'NonZero',
  infer: ([x], { size }) => [{ shape: [x!.rank, size], dtype: 'int64' }],
  grad: () => [null],
};
/** The int64 positions (size) at which a vector isn't 0 (or not false), smallest first; `size` names the new axis. */
export function nonZero(x: Tensor, size: string): Tensor {
  if (x.rank !== 1) throw new GraphError(`nonZero: ${show(x.shape)}; needs one axis: flatten it`);
  return squeeze(apply(NonZero, [x], { size }), 0);
}
