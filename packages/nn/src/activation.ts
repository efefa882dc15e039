// Activation functions by the names that Hugging Face's config.json uses.
import { gelu, geluTanh, relu, sigmoid, tanh, type Tensor } from '@brickwork/graph';

const known: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  gelu,
  gelu_new: geluTanh,
  gelu_fast: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  relu,
  sigmoid,
  tanh,
  silu: (x) => x.mul(sigmoid(x)),
  swish: (x) => x.mul(sigmoid(x)),
};

/** The activation that config.json calls `name`. */
export function activation(name: string): (x: Tensor) => Tensor {
  if (!Object.hasOwn(known, name)) throw new Error(`activation: ${name} is not known; known are ${Object.keys(known).join(', ')}`);
  return known[name]!;
}
