// The loss of a span's first and last token (SQuAD: Rajpurkar et al., 2016; as BERT learns it: Devlin et al., 2019).
import { constant, GraphError, less, show, sizeOf, where, type Tensor } from '@brickwork/graph';
import { crossEntropy, ignoreIndex } from '@brickwork/nn';

/** What a span is found by: a score for every token (B, T) each, and where it is, int64 (B) each. */
interface Span {
  readonly startLogits: Tensor;
  readonly endLogits: Tensor;
  readonly startPositions: Tensor;
  readonly endPositions: Tensor;
}

/**
 * Half the sum of the cross-entropies of both ends in nats. As in Hugging Face, a position beyond the sequence is left
 * out of its mean, and one before it counts as the first token.
 */
export function spanLoss({ startLogits, endLogits, startPositions, endPositions }: Span): Tensor {
  const start = crossEntropy(startLogits, held(startPositions, startLogits));
  const end = crossEntropy(endLogits, held(endPositions, endLogits));
  return start.add(end).mul(0.5);
}

function held(positions: Tensor, logits: Tensor): Tensor {
  const int64 = (value: number): Tensor => constant(BigInt64Array.of(BigInt(value)), []);
  const one = positions.rank === 2 ? positions.reshape([positions.shape[0]!]) : positions; // (B)
  if (one.rank !== 1) throw new GraphError(`spanLoss: positions ${show(positions.shape)}; needs (B)`);
  const first = where(less(one, int64(0)), int64(0), one);
  return where(less(first, sizeOf(logits, 1)), first, int64(ignoreIndex));
}
