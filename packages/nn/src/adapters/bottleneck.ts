// Bottleneck adapters (Houlsby et al., 2019; Pfeiffer et al., 2020): a narrow two-layer network with a residual
// connection after a frozen layer.
import { GraphError, type Tensor } from '@brickwork/graph';
import { activation, type Activation } from '../activation.ts';
import type { Context } from '../context.ts';
import { normal, zeros } from '../initializers.ts';
import { Linear, type LinearAdapter, type LinearLayer } from '../linear.ts';
import { widths } from './lora.ts';

/** y = h + up(f(down(h))) with h = layer(x). The upward weights begin at zero, so that at first nothing changes. */
export class Bottleneck implements LinearAdapter {
  readonly down: Linear;
  readonly up: Linear;
  readonly #f: Activation;
  constructor(
    layer: LinearLayer,
    o: {
      /** Width in the middle. */
      readonly size: number;
      /** By Hugging Face's name; `relu` unless given. */
      readonly activation?: string;
    },
  ) {
    if (!(Number.isInteger(o.size) && o.size > 0))
      throw new GraphError(`Bottleneck: size is ${o.size}; needs a whole number above 0`);
    const { outputs } = widths(layer);
    this.#f = activation(o.activation ?? 'relu');
    this.down = new Linear(outputs, o.size, { weight: normal(0.01) });
    this.up = new Linear(o.size, outputs, { weight: zeros });
  }
  forward(x: Tensor, layer: LinearLayer, ctx?: Context): Tensor {
    const h = layer.plain(x);
    return h.add(this.up.forward(this.#f(this.down.forward(h, ctx)), ctx));
  }
}
