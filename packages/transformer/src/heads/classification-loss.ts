// The loss of a classifier, for each meaning of its labels.
import { cast, GraphError, reshapeLike, show, type Tensor } from '@brickwork/graph';
import { binaryCrossEntropy, crossEntropy, squareLoss } from '@brickwork/nn';
import { problemTypeOf, type ProblemType } from './problem-type.ts';

/**
 * The mean loss of logits (B, N).
 *
 * - `single_label_classification`: cross-entropy in nats of int64 labels (B); labels of -100 are left out.
 * - `multi_label_classification`: binary cross-entropy of labels (B, N), 1 where a label holds and 0 where not.
 * - `regression`: squared error of numbers (B, N), or (B) where N is 1.
 *
 * @param problemType where null, what follows from N and the labels' type, as in Hugging Face
 */
export function classificationLoss(logits: Tensor, labels: Tensor, problemType: ProblemType | null): Tensor {
  const count = logits.shape[1];
  if (logits.rank !== 2 || typeof count !== 'number')
    throw new GraphError(`classificationLoss: logits ${show(logits.shape)}; needs (B, N), and N known`);
  const type = problemTypeOf({ count, problemType }, labels.dtype);
  if (type === 'single_label_classification') {
    const ids = labels.rank === 2 && labels.shape[1] === 1 ? labels.reshape([labels.shape[0]!]) : labels; // (B)
    return crossEntropy(logits, cast(ids, 'int64'));
  }
  const single = count === 1 && labels.rank === 1;
  if (!single && (labels.rank !== 2 || labels.shape[1] !== count))
    throw new GraphError(
      `classificationLoss: labels ${show(labels.shape)} for logits ${show(logits.shape)}; ${type} needs (B, ${count})`,
    );
  const wanted = reshapeLike(cast(labels, 'float32'), logits); // (B, N)
  return type === 'regression' ? squareLoss(logits, wanted) : binaryCrossEntropy(logits, wanted);
}
