// LayerDrop (Fan et al., 2020): while training a whole layer is left out with some probability.
import { mul, type Tensor } from '@brickwork/graph';
import { dropoutMask, type Context } from '@brickwork/nn';
import type { Config } from './architecture.ts';

/** What a layer made of `x`, or with probability `p` while training `x` itself. */
export function layerDrop(x: Tensor, made: Tensor, p: number, ctx: Context): Tensor {
  const mask = dropoutMask([1], p, ctx);
  return mask ? x.add(mul(made.sub(x), mask.mul(1 - p))) : made;
}

/** The probabilities with which layers of both halves are left out, `encoder_layerdrop` and `decoder_layerdrop`. */
export function readLayerDrop(
  architecture: string,
  config: Config,
): { readonly encoder_layerdrop: number; readonly decoder_layerdrop: number } {
  const read = (field: string): number => {
    const p = config[field] ?? 0;
    if (typeof p !== 'number' || !(p >= 0 && p < 1))
      throw new Error(`${architecture} config: ${field} is ${JSON.stringify(p)}; needs a probability below 1`);
    return p;
  };
  return { encoder_layerdrop: read('encoder_layerdrop'), decoder_layerdrop: read('decoder_layerdrop') };
}
