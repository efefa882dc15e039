// Contrastive learning with the other examples of a batch as negatives: InfoNCE (van den Oord et al., 2018), as sentence
// embeddings (Gao et al., 2021) and CLIP (Radford et al., 2021) are trained; the triplet loss (Schroff et al., 2015) and
// the cosine regression of Siamese networks (Bromley et al., 1994; Reimers and Gurevych, 2019).
import { concat, constant, matmul, maximum, mean, mul, slice, sqrt, sub, sum, type Tensor } from '@brickwork/graph';
import { crossEntropy } from '@brickwork/nn';
import type { Objective } from '../network-step.ts';
import { embeddings, unit, type Pooling } from './embedding.ts';

/** What embeddings are compared by. */
export interface ContrastiveOptions {
  readonly pooling?: Pooling;
  /** Similarities are divided by this; 0.05 unless given. */
  readonly temperature?: number;
  /** Also finds each anchor among the anchors for its positive, as CLIP does; true unless given. */
  readonly bothDirections?: boolean;
}

const part = (x: Tensor, i: number, rows: number): Tensor => slice(x, 0, i * rows, (i + 1) * rows);
const labels = (rows: number): Tensor =>
  constant(
    BigInt64Array.from({ length: rows }, (_, i) => BigInt(i)),
    [rows],
  );

/**
 * Mean cross-entropy of finding each anchor's positive among all of the batch's positives (and its given negatives, if
 * there are), by cosine / temperature. Rows are anchors, then positives, then negatives: (2B or 3B, T).
 */
export function infoNCE(
  anchors: Tensor,
  positives: Tensor,
  negatives: Tensor | null,
  o: ContrastiveOptions = {},
): Tensor {
  const { temperature = 0.05, bothDirections = true } = o;
  if (!(temperature > 0)) throw new Error(`infoNCE: temperature is ${temperature}; needs a number above 0`);
  const [a, p] = [unit(anchors), unit(positives)];
  const rows = a.shape[0] as number;
  const candidates = negatives ? concat([p, unit(negatives)], 0) : p;
  const scores = (x: Tensor, y: Tensor): Tensor => matmul(x, y, { transB: true, alpha: 1 / temperature });
  const forth = crossEntropy(scores(a, candidates), labels(rows));
  if (!bothDirections) return forth;
  return forth.add(crossEntropy(scores(p, a), labels(rows))).mul(0.5);
}

/** {@link infoNCE} of a body's embeddings, for batches of the task `pairs`. */
export function contrastive(o: ContrastiveOptions = {}): Objective {
  return (outputs, inputs) => {
    const all = embeddings(outputs, inputs, o.pooling ?? 'mean');
    const { rows, parts } = partsOf(all, inputs);
    return infoNCE(part(all, 0, rows), part(all, 1, rows), parts > 2 ? part(all, 2, rows) : null, o);
  };
}

/** Mean of max(0, ‖a - p‖ - ‖a - n‖ + margin) over triplets; the margin is 1 unless given. */
export function tripletLoss({ pooling = 'mean', margin = 1 }: { pooling?: Pooling; margin?: number } = {}): Objective {
  return (outputs, inputs) => {
    const all = embeddings(outputs, inputs, pooling);
    const { rows, parts } = partsOf(all, inputs);
    if (parts < 3) throw new Error('triplet loss: the examples have no negatives');
    const distance = (i: number): Tensor => {
      const d = sub(part(all, 0, rows), part(all, i, rows));
      return sqrt(maximum(sum(mul(d, d), [1]), 1e-12));
    };
    return mean(maximum(sub(distance(1), distance(2)).add(margin), 0));
  };
}

/** Mean squared difference of the cosine of two texts from their score, float32 (B) `scores` from 0 (or -1) to 1. */
export function cosineLoss({ pooling = 'mean' }: { pooling?: Pooling } = {}): Objective {
  return (outputs, inputs) => {
    const all = unit(embeddings(outputs, inputs, pooling));
    const { scores } = inputs;
    if (!scores) throw new Error('cosine loss: the batch has no scores; use the task similarity');
    const rows = scores.shape[0] as number;
    const cosine = sum(mul(part(all, 0, rows), part(all, 1, rows)), [1]);
    const d = sub(cosine, scores);
    return mean(mul(d, d));
  };
}

// How many parts of how many rows: anchors, positives and maybe negatives, one after the other.
function partsOf(all: Tensor, inputs: Readonly<Record<string, Tensor>>): { rows: number; parts: number } {
  const parts = inputs['parts']?.shape[0] as number | undefined;
  if (!parts) throw new Error('contrastive: the batch has no parts; use the task pairs');
  return { rows: (all.shape[0] as number) / parts, parts };
}
