// Average pooling to a given size (as PyTorch's): window i of n covers from floor(i H / n) to ceil((i + 1) H / n).
import { constant, globalAveragePool, GraphError, matmul, show, type Pair, type Tensor } from '@brickwork/graph';

/** Images (N, C, H, W) of any size to (N, C, …size), each value the mean of its window. */
export class AdaptiveAvgPool2d {
  readonly size: readonly [number, number];
  constructor(size: Pair) {
    const [h, w] = typeof size === 'number' ? [size, size] : size;
    if (![h, w].every((n) => Number.isInteger(n) && n > 0))
      throw new GraphError(`AdaptiveAvgPool2d: the size is ${JSON.stringify(size)}; needs whole numbers above 0`);
    this.size = [h, w];
  }
  forward(x: Tensor): Tensor {
    const [h, w] = this.size;
    const [, , H, W] = x.shape;
    if (x.rank !== 4) throw new GraphError(`AdaptiveAvgPool2d: ${show(x.shape)}; needs (N, C, H, W)`);
    if (h === 1 && w === 1) return globalAveragePool(x);
    if (typeof H !== 'number' || typeof W !== 'number')
      throw new GraphError(`AdaptiveAvgPool2d: ${show(x.shape)} to (${h}, ${w}); needs a known height and width`);
    const tall = h === H ? x : matmul(windowMeans(h, H), x); // (N, C, h, W)
    return w === W ? tall : matmul(tall, windowMeans(w, W), { transB: true }); // (N, C, h, w)
  }
}

// The matrix (n, size) that takes the mean of each window.
function windowMeans(n: number, size: number): Tensor {
  const data = new Float32Array(n * size);
  for (let i = 0; i < n; i++) {
    const [start, end] = [Math.floor((i * size) / n), Math.ceil(((i + 1) * size) / n)];
    data.fill(1 / (end - start), i * size + start, i * size + end);
  }
  return constant(data, [n, size]);
}
