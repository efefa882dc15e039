// Local response normalisation (Krizhevsky et al., 2012): each value is divided by the strength of its neighbours in
// other channels at the same place.
import { GraphError, apply, float, show, type Op, type Tensor } from '../tensor.ts';
import { add, log, mul, exp, sub } from './elementwise.ts';
import { averagePool2d } from './pool.ts';
import { reshape, reshapeLike } from './shape.ts';

interface ResponseNorm {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly bias: number;
}
// Means over `size` channels around each, missing ones counted as 0, by pooling over an image (N, 1, C, places).
function channelMeans(x: Tensor, size: number): Tensor {
  const [N, C] = x.shape;
  const image = reshape(x, [N!, 1, C!, -1]);
  const half = (size - 1) / 2;
  return reshapeLike(averagePool2d(image, [size, 1], { stride: 1, padding: [half, 0] }), x);
}
// y = x s^-β, s = bias + α mean(x²);  dx = g s^-β - 2 α β x mean(g x s^(-β-1))
const LRN: Op<ResponseNorm> = {
  name: 'LRN',
  infer: ([x], { size }) => {
    if (x!.rank !== 4) throw new GraphError(`localResponseNorm: ${show(x!.shape)}; needs (N, C, H, W)`);
    if (!Number.isInteger(size) || size < 1 || size % 2 === 0)
      throw new GraphError(`localResponseNorm: size is ${size}; needs an odd number of channels`);
    return [x!.shape];
  },
  onnx: ({ size, alpha, beta, bias }) => ({ size, alpha: float(alpha), beta: float(beta), bias: float(bias) }),
  grad: ([g], [x], _y, { size, alpha, beta, bias }) => {
    const logs = log(add(mul(channelMeans(mul(x!, x!), size), alpha), bias)); // log s
    const near = channelMeans(mul(mul(g!, x!), exp(mul(logs, -beta - 1))), size);
    return [sub(mul(g!, exp(mul(logs, -beta))), mul(mul(x!, near), 2 * alpha * beta))];
  },
};
/**
 * x / (bias + alpha · mean of x² over `size` channels around)^beta for images (N, C, H, W); channels beyond the first and
 * last count as 0. The defaults are PyTorch's; AlexNet has size 5, alpha 1e-4 · 5, beta 0.75, bias 2 in this form.
 *
 * @param size how many channels, an odd number
 */
export function localResponseNorm(
  x: Tensor,
  size: number,
  {
    alpha = 1e-4,
    beta = 0.75,
    bias = 1,
  }: { readonly alpha?: number; readonly beta?: number; readonly bias?: number } = {},
): Tensor {
  return apply(LRN, [x], { size, alpha, beta, bias });
}
