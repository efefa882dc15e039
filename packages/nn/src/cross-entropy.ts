// Cross-entropy of a linear classifier over many classes, as a language model's head has it: the loss and the gradients
// of x and w without ever building the gradient of the logits.
import {
  GraphError,
  equal,
  constant,
  gather,
  gatherElements,
  gemm,
  log,
  matmul,
  max,
  maximum,
  override,
  scatterAdd,
  show,
  softmax,
  sub,
  unsqueeze,
  where,
  type Tensor,
} from '@brickwork/graph';

/** Labels that are left out of the loss, as PyTorch numbers them. */
export const ignoreIndex = -100;

const int64 = (value: number): Tensor => constant(BigInt64Array.of(BigInt(value)), []);

/**
 * Mean over rows of -log softmax(x w' + b)[label], natural logarithm, leaving out rows whose label is -100.
 *
 * With P = softmax(x w' + b) and each row weighted by 1 / (rows that count), the gradients are
 * dx = (P w - w[label]), dw = P' x - scatter(label, x) and db = P' 1 - scatter(label, 1), so no second (N, V) matrix is
 * needed.
 *
 * @param x (N, C) @param w (V, C) @param labels int64 (N) @param b (V); none unless given
 * @returns the loss (scalar) and the sum of the rows' weights before division: how many rows counted (scalar)
 */
export function linearCrossEntropy(
  x: Tensor,
  w: Tensor,
  labels: Tensor,
  b: Tensor | null = null,
): { loss: Tensor; count: Tensor } {
  if (
    x.rank !== 2 ||
    w.rank !== 2 ||
    labels.rank !== 1 ||
    x.shape[0] !== labels.shape[0] ||
    (b && (b.rank !== 1 || b.shape[0] !== w.shape[0]))
  )
    throw new GraphError(
      `linearCrossEntropy: x ${show(x.shape)}, w ${show(w.shape)}, labels ${show(labels.shape)}${b ? `, bias ${show(b.shape)}` : ''}; needs (N, C), (V, C), (N)${b ? ', (V)' : ''}`,
    );
  const ignored = equal(labels, int64(ignoreIndex));
  const label = where(ignored, int64(0), labels); // (N)
  const counted = unsqueeze(where(ignored, 0, 1), 1); // (N, 1)
  const total = counted.sum();
  const weight = counted.div(maximum(total, 1)); // (N, 1)
  const logits = gemm(x, w, b, { transB: true }); // (N, V)
  const P = softmax(logits);
  // log-sum-exp from the largest logit and its probability, which is never too small to take the logarithm of
  const lse = sub(max(logits, [1], true), log(max(P, [1], true))); // (N, 1)
  const own = gatherElements(logits, unsqueeze(label, 1), 1); // (N, 1)
  const value = lse.sub(own).mul(weight).sum();
  const loss = override(value, b ? [x, w, b] : [x, w], (g) => {
    const scale = weight.mul(g); // (N, 1)
    const dx = matmul(P, w).sub(gather(w, label)).mul(scale); // (N, C)
    const xs = x.mul(scale); // (N, C)
    const dw = scatterAdd(matmul(P, xs, { transA: true }), label, xs.neg()); // (V, C)
    if (!b) return [dx, dw];
    const pulled = matmul(P, scale, { transA: true }).reshape([-1]); // (V)
    return [dx, dw, scatterAdd(pulled, label, scale.reshape([-1]).neg())];
  });
  return { loss, count: total };
}
