// Cross-entropy of softmax (Bridle, 1990): minus the logarithm of the probability that scores give to the right class.
import {
  constant,
  div,
  equal,
  exp,
  gatherElements,
  GraphError,
  logSoftmax,
  maximum,
  mean,
  mul,
  neg,
  override,
  reshapeLike,
  scatterAddElements,
  show,
  sub,
  sum,
  unsqueeze,
  where,
  type Tensor,
} from '@brickwork/graph';
import { ignoreIndex as usualIgnoreIndex } from './cross-entropy.ts';
import type { LossOptions } from './reduction.ts';

/** What {@link crossEntropy} takes besides {@link LossOptions}. */
export interface CrossEntropyOptions extends LossOptions {
  /** Rows with this label count for nothing; -100 unless given. */
  readonly ignoreIndex?: number;
  /** This much of the target is spread evenly over all classes (Szegedy et al., 2016); 0 unless given. */
  readonly labelSmoothing?: number;
}
const int64 = (value: number): Tensor => constant(BigInt64Array.of(BigInt(value)), []);

/**
 * log(Σ e^x) - x[label] along the last axis of scores (…, V) with int64 labels (…), natural logarithm; with label
 * smoothing s, (1 - s) of that and s of its mean over all labels. The mean is over the rows that count, and 0 where none
 * does. dx = g (softmax(x) - target), without building anything of the size of x but that.
 *
 * @returns a scalar, or for `reduction: 'none'` one loss per label, 0 where ignored
 */
export function crossEntropy(
  x: Tensor,
  labels: Tensor,
  { ignoreIndex = usualIgnoreIndex, labelSmoothing: s = 0, reduction = 'mean' }: CrossEntropyOptions = {},
): Tensor {
  const V = x.shape.at(-1);
  if (x.rank !== labels.rank + 1 || (typeof V !== 'number' && s) || labels.shape.some((d, i) => d !== x.shape[i]))
    throw new GraphError(
      `crossEntropy: scores ${show(x.shape)} with labels ${show(labels.shape)}; needs (…, V) with (…)`,
    );
  if (labels.dtype !== 'int64') throw new GraphError(`crossEntropy: the labels are ${labels.dtype}, not int64`);
  if (!(s >= 0 && s <= 1)) throw new GraphError(`crossEntropy: labelSmoothing is ${s}; needs 0 to 1`);
  if (!['mean', 'sum', 'none'].includes(reduction))
    throw new GraphError(`crossEntropy: reduction '${reduction}' is not known; known are mean, sum and none`);
  const ignored = unsqueeze(equal(labels, int64(ignoreIndex)), -1); // (…, 1)
  const label = where(ignored, int64(0), unsqueeze(labels, -1)); // (…, 1)
  const logP = logSoftmax(x); // (…, V)
  const own = gatherElements(logP, label); // (…, 1)
  const target = s ? own.mul(1 - s).add(mean(logP, [-1], true).mul(s)) : own;
  const value = reshapeLike(where(ignored, 0, neg(target)), labels); // (…)
  const losses = override(value, [x], (g) => {
    const scale = where(ignored, 0, unsqueeze(g, -1)); // (…, 1)
    const dx = scatterAddElements(mul(exp(logP), scale), label, mul(scale, s - 1));
    return [s ? sub(dx, mul(scale, s / (V as number))) : dx];
  });
  if (reduction === 'none') return losses;
  if (reduction === 'sum') return sum(losses);
  return div(sum(losses), maximum(sum(where(ignored, 0, 1)), 1));
}

/** {@link crossEntropy} as a brick: scores (…, V) and int64 labels (…) to one number. */
export class LogSoftMax {
  readonly options: CrossEntropyOptions;
  constructor(options: CrossEntropyOptions = {}) {
    this.options = options;
  }
  forward(x: Tensor, labels: Tensor): Tensor {
    return crossEntropy(x, labels, this.options);
  }
}
