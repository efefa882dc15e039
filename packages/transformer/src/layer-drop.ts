// LayerDrop (Fan et al., 2020): while training a whole layer is left out with some probability.
import { mul, type Tensor } from '@brickwork/graph';
import { dropoutMask, type Context } from '@brickwork/nn';

/** What a layer made of `x`, or with probability `p` while training `x` itself. */
export function layerDrop(x: Tensor, made: Tensor, p: number, ctx: Context): Tensor {
  const mask = dropoutMask([1], p, ctx);
  return mask ? x.add(mul(made.sub(x), mask.mul(1 - p))) : made;
}
