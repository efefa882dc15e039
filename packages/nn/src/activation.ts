// Activation functions by the names that Hugging Face's config.json gives them (`hidden_act`, `activation_function`).
import { clip, gelu, geluTanh, leakyRelu, mul, relu, sigmoid, softplus, tanh, type Tensor } from '@brickwork/graph';
import { quickGelu } from './gelu.ts';
import { silu } from './silu.ts';

/** A function of a tensor, element by element. */
export type Activation = (x: Tensor) => Tensor;

const byName: Readonly<Record<string, Activation>> = {
  gelu,
  gelu_accurate: geluTanh,
  gelu_fast: geluTanh,
  gelu_new: geluTanh,
  gelu_python: gelu,
  gelu_pytorch_tanh: geluTanh,
  leaky_relu: (x) => leakyRelu(x),
  linear: (x) => x,
  mish: (x) => mul(x, tanh(softplus(x))),
  quick_gelu: quickGelu,
  relu,
  relu2: (x) => {
    const y = relu(x);
    return mul(y, y);
  },
  relu6: (x) => clip(x, 0, 6),
  sigmoid,
  silu,
  swish: silu,
  tanh,
};

/** The names that {@link activation} knows. */
export const activationNames: readonly string[] = Object.keys(byName);

/**
 * The activation function that a config.json names.
 *
 * @throws where the name is not known, listing those that are.
 */
export function activation(name: string): Activation {
  const found = Object.hasOwn(byName, name) ? byName[name] : undefined;
  if (!found) throw new Error(`activation: '${name}' is not known; known are ${activationNames.join(', ')}`);
  return found;
}
