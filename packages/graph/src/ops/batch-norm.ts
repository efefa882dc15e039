// Batch normalisation (Ioffe and Szegedy, 2015): every channel with mean 0 and variance 1, over the batch while
// training, by running statistics afterwards.
import { GraphError, apply, count, float, show, type Op, type Tensor } from '../tensor.ts';
import { add, div, mul, reciprocal, sqrt, sub } from './elementwise.ts';
import { override } from './override.ts';
import { mean, sum } from './reduce.ts';
import { reshape, stopGradient } from './shape.ts';

function check(x: Tensor, channels: readonly Tensor[]): number {
  const C = x.shape[1];
  if (x.rank < 2 || typeof C !== 'number')
    throw new GraphError(`batchNorm: ${show(x.shape)}; needs (N, C, …places) with a known C`);
  for (const t of channels)
    if (t.rank !== 1 || t.shape[0] !== C)
      throw new GraphError(`batchNorm: ${show(x.shape)} with ${show(t.shape)}: needs (${C})`);
  return C;
}
// One value per channel, ready to be broadcast over (N, C, …places).
const perChannel = (t: Tensor, x: Tensor): Tensor => reshape(t, [t.shape[0]!, ...x.shape.slice(2).map(() => 1)]);
const places = (x: Tensor): number[] => x.shape.flatMap((_, i) => (i === 1 ? [] : [i]));

// y = n w + b, n = (x - m) r, r = 1 / sqrt(v + e);  dw = sum(g n), db = sum(g), dx = g w r, dm = -w r db, dv = -w r² dw / 2
const BatchNormalization: Op<{ epsilon: number }> = {
  name: 'BatchNormalization',
  infer: ([x, ...channels]) => {
    check(x!, channels);
    return [x!.shape];
  },
  onnx: ({ epsilon }) => ({ epsilon: float(epsilon) }),
  grad: ([g], [x, w, , m, v], _y, { epsilon }) => {
    const r = reciprocal(sqrt(add(v!, epsilon)));
    const n = mul(sub(x!, perChannel(m!, x!)), perChannel(r, x!));
    const dw = sum(mul(g!, n), places(x!));
    const db = sum(g!, places(x!));
    const wr = mul(w!, r);
    return [mul(g!, perChannel(wr, x!)), dw, db, mul(mul(wr, db), -1), mul(mul(mul(wr, r), dw), -0.5)];
  },
};
/**
 * (x - mean) / sqrt(variance + epsilon) * weight + bias for each channel of (N, C, …places), with given statistics (C):
 * how batch norm runs after training.
 */
export function batchNorm(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  runningMean: Tensor,
  runningVariance: Tensor,
  { epsilon = 1e-5 }: { readonly epsilon?: number } = {},
): Tensor {
  return apply(BatchNormalization, [x, weight, bias, runningMean, runningVariance], { epsilon });
}

/** What {@link batchNormTraining} gives: the result, and the running statistics after this batch (no gradient). */
export interface BatchNormResult {
  readonly y: Tensor;
  readonly mean: Tensor;
  readonly variance: Tensor;
}
/**
 * Batch norm while training: normalises each channel of (N, C, …places) by the mean and (biased) variance of this batch,
 * and moves the running statistics by `momentum` towards the mean and the unbiased variance, as PyTorch does.
 */
export function batchNormTraining(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  runningMean: Tensor,
  runningVariance: Tensor,
  { epsilon = 1e-5, momentum = 0.1 }: { readonly epsilon?: number; readonly momentum?: number } = {},
): BatchNormResult {
  check(x, [weight, bias, runningMean, runningVariance]);
  const axes = places(x);
  const N = count(axes.map((a) => x.shape[a]!));
  if (N === null || N < 2)
    throw new GraphError(
      `batchNormTraining: ${show(x.shape)} has ${N ?? 'an unknown number of'} values per channel; needs 2 or more, known`,
    );
  const m = mean(x, axes); // (C)
  const centered = sub(x, perChannel(m, x));
  const v = mean(mul(centered, centered), axes); // (C)
  const inv = reciprocal(sqrt(add(v, epsilon))); // (C)
  const slope = perChannel(mul(weight, inv), x);
  const y = add(mul(centered, slope), perChannel(bias, x));
  // With n = centered · inv:  dw = sum(g n), db = sum(g), dx = w inv (g - mean(g) - n mean(g n))
  const normalized = override(y, [x, weight, bias], (g) => {
    const [dw, db] = [mul(sum(mul(g, centered), axes), inv), sum(g, axes)];
    const pulled = mul(centered, perChannel(mul(mul(dw, inv), 1 / N), x));
    return [mul(sub(sub(g, perChannel(mul(db, 1 / N), x)), pulled), slope), dw, db];
  });
  const move = (old: Tensor, now: Tensor): Tensor => stopGradient(add(mul(old, 1 - momentum), mul(now, momentum)));
  return { y: normalized, mean: move(runningMean, m), variance: move(runningVariance, div(mul(v, N), N - 1)) };
}
