// The sigmoid linear unit, also called swish (Elfwing et al., 2017; Ramachandran et al., 2017).
import { mul, override, sigmoid, sub, type Tensor } from '@brickwork/graph';

/** x · sigmoid(x). */
export function silu(x: Tensor): Tensor {
  const s = sigmoid(x);
  const y = mul(x, s);
  return override(y, [x], (g) => [mul(g, s.add(mul(y, sub(1, s))))]);
}

/** y = x s with s = sigmoid(x);  dx = g (s + y (1 - s)). Any shape. */
export class SiLU {
  forward(x: Tensor): Tensor {
    return silu(x);
  }
}
