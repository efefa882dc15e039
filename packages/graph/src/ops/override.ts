// A gradient of one's own for a part of a graph: the forward stays as composed, the backward is what is given.
import { apply, type Op, type Tensor } from '../tensor.ts';

interface Override {
  readonly backward: (g: Tensor) => readonly (Tensor | null)[];
}
// 'Alias' is no ONNX operator: the writer gives the output its first input's name.
const Alias: Op<Override> = {
  name: 'Alias',
  infer: ([y]) => [{ shape: y!.shape, dtype: y!.dtype }],
  grad: ([g], _x, _y, { backward }) => [null, ...backward(g!)],
};
/**
 * `y`, computed from `inputs`, with `backward` in place of the gradient that would follow from its parts: given
 * dLoss/dy it returns dLoss/dInput for each input.
 */
export function override(y: Tensor, inputs: readonly Tensor[], backward: Override['backward']): Tensor {
  return apply(Alias, [y, ...inputs], { backward });
}
