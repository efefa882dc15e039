// The Gaussian error linear unit (Hendrycks and Gimpel, 2016) in its three usual forms.
import { gelu, geluTanh, mul, override, sigmoid, sub, type Tensor } from '@brickwork/graph';

export { gelu, geluTanh } from '@brickwork/graph';

/** x · sigmoid(1.702 x), the roughest and cheapest form, as CLIP uses it. */
export function quickGelu(x: Tensor): Tensor {
  const s = sigmoid(mul(x, 1.702));
  const y = mul(x, s);
  // dy/dx = s + 1.702 y (1 - s)
  return override(y, [x], (g) => [mul(g, s.add(mul(mul(y, sub(1, s)), 1.702)))]);
}

/**
 * y = x F(x), F the cumulative normal distribution;  dx = g (F(x) + x f(x)). With `tanh`, the approximation
 * x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))) that GPT-2 was trained with. Any shape.
 */
export class GELU {
  readonly tanh: boolean;
  constructor({ tanh = false }: { readonly tanh?: boolean } = {}) {
    this.tanh = tanh;
  }
  forward(x: Tensor): Tensor {
    return this.tanh ? geluTanh(x) : gelu(x);
  }
}
