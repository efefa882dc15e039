// LoRA (Hu et al., 2021): a frozen layer plus a product of two narrow matrices that are trained; with DoRA (Liu et al.,
// 2024) the direction is what they change, and the length of each row of the weight is trained apart.
import { GraphError, div, mul, override, sqrt, sub, sum, type Tensor } from '@brickwork/graph';
import type { Context } from '../context.ts';
import { dropout } from '../dropout.ts';
import { kaiming, ones, zeros } from '../initializers.ts';
import { affine, type LinearAdapter, type LinearLayer } from '../linear.ts';
import { parameter, type Parameter } from '../parameter.ts';

/** What a LoRA is made from. */
export interface LoRAOptions {
  /** Width between the two matrices. */
  readonly rank: number;
  /** The product is scaled by alpha / rank; 1 unless alpha is given. */
  readonly alpha?: number;
  /** Scales by alpha / √rank instead (rsLoRA: Kalajdzievski, 2023). */
  readonly rankStabilized?: boolean;
  /** Probability with which an input is dropped on its way into the product while training; 0 unless given. */
  readonly dropout?: number;
  /** Trains the rows' lengths apart from their directions (DoRA). */
  readonly dora?: boolean;
}

/** By how much LoRA's product is scaled. */
export function loraScale({ rank, alpha = rank, rankStabilized = false }: LoRAOptions): number {
  return alpha / (rankStabilized ? Math.sqrt(rank) : rank);
}

/** Inputs and outputs of a layer. */
export function widths({ weight, outputsFirst }: LinearLayer): { inputs: number; outputs: number } {
  const [a, b] = weight.shape as [number, number];
  return outputsFirst ? { inputs: b, outputs: a } : { inputs: a, outputs: b };
}

/**
 * y = layer(x) + s · drop(x) A' B', with A (rank, in) and B (out, rank) in PEFT's names. B begins at zero, so that at first
 * nothing changes. With DoRA, y = m/‖W + s B A‖ (x W' + s x A' B') + b, whose norms (one for each output) count as
 * constants in the gradient, as in the paper's section 4.3; begin `lora_magnitude_vector` at the norms of W.
 */
export class LoRA implements LinearAdapter {
  readonly lora_A: { readonly weight: Parameter };
  readonly lora_B: { readonly weight: Parameter };
  readonly lora_magnitude_vector: Parameter | null;
  readonly scale: number;
  readonly #dropout: number;

  constructor(layer: LinearLayer, options: LoRAOptions) {
    const { rank, dropout: p = 0, dora = false } = options;
    if (!(Number.isInteger(rank) && rank > 0))
      throw new GraphError(`LoRA: rank is ${rank}; needs a whole number above 0`);
    const { inputs, outputs } = widths(layer);
    this.scale = loraScale(options);
    this.#dropout = p;
    this.lora_A = { weight: parameter([rank, inputs], kaiming({ gain: Math.sqrt(2 / (1 + 5)) })) };
    this.lora_B = { weight: parameter([outputs, rank], zeros) };
    this.lora_magnitude_vector = dora ? parameter([outputs], ones) : null;
  }

  forward(x: Tensor, layer: LinearLayer, ctx?: Context): Tensor {
    if (this.#dropout && !ctx) throw new GraphError('LoRA: dropout needs the context of the pass; give it to forward');
    const input = ctx ? dropout(x, this.#dropout, ctx) : x;
    const narrow = affine(input, this.lora_A.weight, null, { transB: true }); // (…, rank)
    const change = affine(narrow, this.lora_B.weight, null, { transB: true }).mul(this.scale); // (…, out)
    if (!this.lora_magnitude_vector) return layer.plain(x).add(change);
    const part = div(this.lora_magnitude_vector, this.#norms(layer)); // (out)
    const straight = affine(x, layer.weight, null, { transB: layer.outputsFirst }); // (…, out)
    return layer
      .plain(x)
      .add(mul(straight, sub(part, 1)))
      .add(mul(change, part));
  }

  // ‖W + s B A‖ of each output: (out).
  #norms(layer: LinearLayer): Tensor {
    const product = affine(this.lora_B.weight, this.lora_A.weight, null).mul(this.scale); // (out, in)
    const weight = layer.outputsFirst ? layer.weight : layer.weight.transpose();
    const whole = weight.add(product);
    return override(sqrt(sum(mul(whole, whole), [1])), [], () => []);
  }
}
