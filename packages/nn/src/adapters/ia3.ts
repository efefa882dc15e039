// (IA)³ (Liu et al., 2022): keys, values and the inner feed-forward activations are scaled by learned vectors.
import { reshape, type Tensor } from '@brickwork/graph';
import { ones } from '../initializers.ts';
import type { LinearAdapter, LinearLayer } from '../linear.ts';
import { parameter, type Parameter } from '../parameter.ts';
import { widths } from './lora.ts';

/**
 * Scales what a layer gives, or (`feedForward`) what it takes: y = l ∘ layer(x), or layer(l ∘ x). The vector has PEFT's
 * name and shape, (out, 1) or (1, in), and begins at ones.
 */
export class IA3 implements LinearAdapter {
  readonly ia3_l: Parameter;
  readonly #feedForward: boolean;
  constructor(layer: LinearLayer, { feedForward = false }: { readonly feedForward?: boolean } = {}) {
    const { inputs, outputs } = widths(layer);
    this.#feedForward = feedForward;
    this.ia3_l = parameter(feedForward ? [1, inputs] : [outputs, 1], ones);
  }
  forward(x: Tensor, layer: LinearLayer): Tensor {
    const scale = reshape(this.ia3_l, [-1]); // (in) or (out)
    return this.#feedForward ? layer.plain(x.mul(scale)) : layer.plain(x).mul(scale);
  }
}
