// A layer whose adapters come and go without a new graph: what LoRA, DoRA, (IA)³ and bottlenecks compute, with every part
// an input that is neutral where no adapter uses it.
import { add, mul, type Tensor } from '@brickwork/graph';
import { activation, type Activation } from '../activation.ts';
import type { Context } from '../context.ts';
import { ones, zeros } from '../initializers.ts';
import { affine, Linear, type LinearAdapter, type LinearLayer } from '../linear.ts';
import { parameter, type Parameter } from '../parameter.ts';
import { widths } from './lora.ts';

/** Which parts a layer has. */
export interface SwitchedOptions {
  /** The largest rank of its LoRAs; none where 0. Smaller ones are filled up with zeros. */
  readonly rank: number;
  /** Whether one of them is a DoRA. */
  readonly stretch: boolean;
  /** Whether an (IA)³ scales what it takes, or what it gives. */
  readonly input: boolean;
  readonly output: boolean;
  /** The widest bottleneck; none where 0. */
  readonly size: number;
  /** The bottlenecks' activation. */
  readonly activation: string;
}

/**
 * y = h + up(f(down(h))) with h = o ∘ layer(i ∘ x) + (x W') ∘ t + x A' B'. LoRA's scale is in B, as is DoRA's length of each
 * row m/‖W + s B A‖, which is 1 + t. All begin as no adapter: B, t and up at zero, i and o at one.
 */
export class Switched implements LinearAdapter {
  readonly lora_A: { readonly weight: Parameter } | null;
  readonly lora_B: { readonly weight: Parameter } | null;
  readonly stretch: Parameter | null;
  readonly input: Parameter | null;
  readonly output: Parameter | null;
  readonly down: Linear | null;
  readonly up: Linear | null;
  readonly #f: Activation;
  constructor(layer: LinearLayer, o: SwitchedOptions) {
    const { inputs, outputs } = widths(layer);
    this.lora_A = o.rank ? { weight: parameter([o.rank, inputs], zeros) } : null;
    this.lora_B = o.rank ? { weight: parameter([outputs, o.rank], zeros) } : null;
    this.stretch = o.stretch ? parameter([outputs], zeros) : null;
    this.input = o.input ? parameter([inputs], ones) : null;
    this.output = o.output ? parameter([outputs], ones) : null;
    this.down = o.size ? new Linear(outputs, o.size, { weight: zeros }) : null;
    this.up = o.size ? new Linear(o.size, outputs, { weight: zeros }) : null;
    this.#f = activation(o.activation);
  }
  forward(x: Tensor, layer: LinearLayer, ctx?: Context): Tensor {
    let h = layer.plain(this.input ? mul(x, this.input) : x);
    if (this.output) h = mul(h, this.output);
    if (this.stretch) h = add(h, mul(affine(x, layer.weight, null, { transB: layer.outputsFirst }), this.stretch));
    if (this.lora_A && this.lora_B) {
      const narrow = affine(x, this.lora_A.weight, null, { transB: true }); // (…, rank)
      h = add(h, affine(narrow, this.lora_B.weight, null, { transB: true }));
    }
    if (!this.down || !this.up) return h;
    return add(h, this.up.forward(this.#f(this.down.forward(h, ctx)), ctx));
  }
}
