// The multi-class margin loss: the right class should score higher than every other by a margin (Crammer and Singer, 2001;
// Weston and Watkins, 1999).
import {
  add,
  constant,
  equal,
  gatherElements,
  GraphError,
  max,
  mul,
  relu,
  show,
  squeeze,
  sub,
  sum,
  unsqueeze,
  where,
  type Tensor,
} from '@brickwork/graph';
import { reduceLoss, type LossOptions } from './reduction.ts';

/** What the margin loss takes besides {@link LossOptions}. */
export interface MaxMarginOptions extends LossOptions {
  /** How much higher the right class has to score; 1 unless given. */
  readonly margin?: number;
  /** What counts: the best wrong class (`'max'`, Crammer and Singer, unless given), or all, divided by V (`'mean'`). */
  readonly over?: 'max' | 'mean';
}

/**
 * max(0, margin + max over k ≠ label of x[k] - x[label]) along the last axis of scores (…, V) with int64 labels (…); the
 * mean over all rows unless told otherwise. dx = g at the best wrong class and -g at the label where the loss isn't 0;
 * wrong classes that tie share g. With `over: 'mean'`, Σ over k ≠ label of max(0, margin + x[k] - x[label]) / V, as
 * torch.nn.MultiMarginLoss.
 */
export function maxMarginLoss(
  x: Tensor,
  labels: Tensor,
  { margin = 1, over = 'max', reduction = 'mean' }: MaxMarginOptions = {},
): Tensor {
  const V = x.shape.at(-1);
  if (x.rank !== labels.rank + 1 || typeof V !== 'number' || V < 2 || labels.shape.some((d, i) => d !== x.shape[i]))
    throw new GraphError(
      `maxMarginLoss: scores ${show(x.shape)} with labels ${show(labels.shape)}; needs (…, V) with (…), V at least 2`,
    );
  if (labels.dtype !== 'int64') throw new GraphError(`maxMarginLoss: the labels are ${labels.dtype}, not int64`);
  if (over !== 'max' && over !== 'mean')
    throw new GraphError(`maxMarginLoss: over '${String(over)}' is not known; known are max and mean`);
  const label = unsqueeze(labels, -1); // (…, 1)
  const own = gatherElements(x, label); // (…, 1)
  const right = equal(label, constant(BigInt64Array.from({ length: V }, (_, k) => BigInt(k)))); // (…, V)
  const least = -3e38; // below every score
  const losses =
    over === 'max'
      ? relu(sub(add(max(where(right, least, x), [-1], true), margin), own)) // (…, 1)
      : mul(sum(where(right, 0, relu(sub(add(x, margin), own))), [-1], true), 1 / V);
  return reduceLoss(squeeze(losses, -1), reduction);
}

/** {@link maxMarginLoss} as a brick. */
export class MaxMargin {
  readonly options: MaxMarginOptions;
  constructor(options: MaxMarginOptions = {}) {
    this.options = options;
  }
  forward(x: Tensor, labels: Tensor): Tensor {
    return maxMarginLoss(x, labels, this.options);
  }
}
