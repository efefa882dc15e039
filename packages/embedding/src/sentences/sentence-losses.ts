// What sentence encoders are trained by: finding each text's partner among a batch (Henderson et al., 2017; van den Oord et
// al., 2018), triplets (Schroff et al., 2015), scores of pairs (Reimers and Gurevych, 2019; CoSENT, Su, 2022), and all of
// these for the first axes alone, too (Kusupati et al., 2022, "Matryoshka").
import {
  cast,
  concat,
  constant,
  equal,
  exp,
  less,
  log,
  matmul,
  maximum,
  mean,
  mul,
  slice,
  sqrt,
  sub,
  sum,
  unsqueeze,
  type Tensor,
} from '@brickwork/graph';
import { crossEntropy } from '@brickwork/nn';
import type { Objective } from '@brickwork/training';
import { unitLength } from './unit-length.ts';

/** What a loss knows of a batch besides its vectors. */
export interface SentenceBatch {
  /** int64 (N, T): of all anchors, then all positives, then all negatives where there are any. */
  readonly ids: Tensor;
  /** (B): how alike the texts of each pair are; null where the examples don't say. */
  readonly scores: Tensor | null;
}

/** A scalar from the vectors (B, D) of anchors, of positives and, where all examples have one, of negatives. */
export type SentenceLoss = (parts: readonly Tensor[], batch: SentenceBatch) => Tensor;

const first = (x: Tensor): number => x.shape[0] as number;

/** How partners are found. */
export interface RankingOptions {
  /** Cosines are divided by this; 0.05 unless given. */
  readonly temperature?: number;
  /** Also finds each positive's anchor among the anchors; false unless given. */
  readonly bothDirections?: boolean;
}

/**
 * Multiple negatives ranking (InfoNCE): the mean cross-entropy of finding each anchor's positive among all positives and
 * negatives of the batch by cosine / temperature. Texts equal to an anchor's positive don't count as its negatives.
 */
export function ranking({ temperature = 0.05, bothDirections = false }: RankingOptions = {}): SentenceLoss {
  if (!(temperature > 0)) throw new Error(`ranking: temperature is ${temperature}; needs a number above 0`);
  return ([anchors, positives, negatives], { ids }) => {
    const [a, p] = [unitLength(anchors!), unitLength(positives!)];
    const B = first(a);
    const label = constant(
      BigInt64Array.from({ length: B }, (_, i) => BigInt(i)),
      [B],
    );
    const own = marksOf(ids);
    const find = (x: Tensor, among: Tensor, target: Tensor, others: Tensor): Tensor => {
      const scores = matmul(x, among, { transB: true, alpha: 1 / temperature }); // (B, M)
      return crossEntropy(scores.add(mul(repeats(target, others), -1e9)), label);
    };
    const candidates = negatives ? concat([p, unitLength(negatives)], 0) : p;
    const forth = find(a, candidates, slice(own, 0, B, 2 * B), slice(own, 0, B, B + first(candidates)));
    if (!bothDirections) return forth;
    const anchorMarks = slice(own, 0, 0, B);
    return forth.add(find(p, a, anchorMarks, anchorMarks)).mul(0.5);
  };
}

// One number for each row of ids, equal for equal rows: (N).
function marksOf(ids: Tensor): Tensor {
  const T = ids.shape[1] as number;
  const waves = Float32Array.from({ length: T }, (_, t) => Math.fround(Math.cos(1 + 1.7 * t * t)));
  return sum(mul(cast(ids, 'float32'), constant(waves, [T])), [1]);
}

// 1 where a candidate (M) is another one with the same mark as a row's target (B): (B, M).
function repeats(target: Tensor, others: Tensor): Tensor {
  const [B, M] = [first(target), first(others)];
  const own = new Float32Array(B * M);
  for (let i = 0; i < B; i++) own[i * M + i] = 1;
  return sub(cast(equal(unsqueeze(target, 1), unsqueeze(others, 0)), 'float32'), constant(own, [B, M]));
}

/** Mean of max(0, ‖a - p‖ - ‖a - n‖ + margin); the margin is 1 unless given. @throws where there are no negatives. */
export function triplets({ margin = 1 }: { readonly margin?: number } = {}): SentenceLoss {
  return ([anchors, positives, negatives]) => {
    if (!negatives) throw new Error('triplets: the examples have no negatives; use ranking');
    const distance = (x: Tensor): Tensor => {
      const d = sub(anchors!, x);
      return sqrt(maximum(sum(mul(d, d), [1]), 1e-12));
    };
    return mean(maximum(sub(distance(positives!), distance(negatives)).add(margin), 0));
  };
}

const cosines = ([a, b]: readonly Tensor[]): Tensor => sum(mul(unitLength(a!), unitLength(b!)), [1]); // (B)
const scoresOf = (who: string, { scores }: SentenceBatch): Tensor => {
  if (!scores) throw new Error(`${who}: the examples have no scores`);
  return scores;
};

/** Mean squared difference of each pair's cosine from its score. @throws where there are no scores. */
export function cosineScores(): SentenceLoss {
  return (parts, batch) => {
    const d = sub(cosines(parts), scoresOf('cosineScores', batch));
    return mean(mul(d, d));
  };
}

/**
 * log(1 + Σ exp(scale (cosᵢ - cosⱼ))) over all i, j of a batch where pair i has a lower score than pair j: only the order of
 * the scores counts. The scale is 20 unless given.
 */
export function orderedScores({ scale = 20 }: { readonly scale?: number } = {}): SentenceLoss {
  return (parts, batch) => {
    const scores = scoresOf('orderedScores', batch);
    const cosine = mul(cosines(parts), scale);
    const difference = sub(unsqueeze(cosine, 1), unsqueeze(cosine, 0)); // (B, B)
    const isLower = cast(less(unsqueeze(scores, 1), unsqueeze(scores, 0)), 'float32');
    return log(sum(mul(exp(difference), isLower)).add(1));
  };
}

/**
 * Another loss of the vectors cut to their first axes, for each of some dimensions, added up with weights (1 each unless
 * given), so that vectors can be cut later.
 *
 * @throws where a dimension isn't below or equal to the vectors' own.
 */
export function matryoshka(
  loss: SentenceLoss,
  dimensions: readonly number[],
  weights?: readonly number[],
): SentenceLoss {
  if (!dimensions.length) throw new Error('matryoshka: no dimensions');
  if (weights && weights.length !== dimensions.length)
    throw new Error(`matryoshka: ${weights.length} weights for ${dimensions.length} dimensions`);
  return (parts, batch) => {
    const D = parts[0]!.shape[1] as number;
    return dimensions
      .map((d, i) => {
        if (!(Number.isSafeInteger(d) && d > 0 && d <= D))
          throw new Error(`matryoshka: dimension ${d}; the vectors have ${D} axes`);
        const cut = parts.map((part) => (d < D ? slice(part, 1, 0, d) : part));
        return mul(loss(cut, batch), weights?.[i] ?? 1);
      })
      .reduce((a, b) => a.add(b));
  };
}

/** A loss as an objective of the training package, for batches of its tasks `pairs` and `similarity`. */
export function sentenceObjective(loss: SentenceLoss): Objective {
  return (outputs, inputs) => {
    if (!outputs['sentence_embedding'])
      throw new Error('sentenceObjective: the network gives no sentence_embedding; train a SentenceEncoder’s');
    const all = outputs['sentence_embedding'](); // (N, D)
    const parts = inputs['parts']?.shape[0] as number | undefined;
    if (!parts) throw new Error('sentenceObjective: the batch has no parts; use the task pairs or similarity');
    const rows = first(all) / parts;
    const each = Array.from({ length: parts }, (_, i) => slice(all, 0, i * rows, (i + 1) * rows));
    const { scores } = inputs;
    return loss(each, { ids: inputs['input_ids']!, scores: scores ? scores.reshape([rows]) : null });
  };
}
