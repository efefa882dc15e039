// Gaussian error linear unit (Hendrycks and Gimpel, 2016), exact and with the tanh approximation.
import { apply, type Op, type Tensor } from '../tensor.ts';
import { add, erf, exp, mul, sigmoid, sub } from './elementwise.ts';
import { reshape } from './shape.ts';

// y = x F(x), F the normal distribution;  dy/dx = F(x) + x f(x)
const Gelu: Op<object> = {
  name: 'Gelu',
  domain: 'com.microsoft',
  infer: ([x]) => [x!.shape],
  grad: ([g], [x]) => {
    const F = mul(add(erf(mul(x!, Math.SQRT1_2)), 1), 0.5);
    const f = mul(exp(mul(mul(x!, x!), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return [mul(g!, add(F, mul(x!, f)))];
  },
};
/** GELU by the error function: x/2 (1 + erf(x/√2)). */
export const gelu = (x: Tensor): Tensor => apply(Gelu, [x], {});

// y = x s, s = sigmoid(x w), w = 2k + 2kc x²;  dy/dx = s + y (1 - s) (3w - 4k), which reuses w
const k = Math.sqrt(2 / Math.PI);
const c = 0.044715;
const FastGelu: Op<object> = {
  name: 'FastGelu',
  domain: 'com.microsoft',
  infer: ([x]) => [x!.shape],
  grad: ([g], [x], [y]) => {
    const w = add(mul(mul(x!, x!), 2 * k * c), 2 * k);
    const s = sigmoid(mul(x!, w));
    return [mul(g!, add(s, mul(mul(y!, sub(1, s)), sub(mul(w, 3), 4 * k))))];
  },
};
/** GELU by tanh, as GPT-2 computes it: x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))). */
export function geluTanh(x: Tensor): Tensor {
  // The engine's operator refuses scalars.
  return x.rank ? apply(FastGelu, [x], {}) : reshape(geluTanh(reshape(x, [1])), []);
}
