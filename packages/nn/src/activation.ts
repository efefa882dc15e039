// Activation functions by the names that Hugging Face's config.json gives them (`hidden_act`, `activation_function`).
import {
  add,
  clip,
  erf,
  gelu,
  geluTanh,
  leakyRelu,
  mul,
  relu,
  sigmoid,
  softplus,
  sub,
  tanh,
  type Tensor,
} from '@brickwork/graph';
import { quickGelu } from './gelu.ts';
import { silu } from './silu.ts';

/** A function of a tensor, element by element. */
export type Activation = (x: Tensor) => Tensor;

const byName: Readonly<Record<string, Activation>> = {
  gelu,
  gelu_10: (x) => clip(gelu(x), -10, 10),
  gelu_accurate: geluTanh,
  gelu_fast: geluTanh,
  gelu_new: geluTanh,
  gelu_python: gelu,
  gelu_python_tanh: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  // The cumulative Laplace-like curve of Mega (Ma et al., 2023), with its constants.
  laplace: (x) => mul(add(erf(mul(sub(x, 0.707107), 1 / (0.282095 * Math.SQRT2))), 1), 0.5),
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
