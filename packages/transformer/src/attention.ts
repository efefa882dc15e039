// Scaled dot-product attention (Vaswani et al., 2017): every query takes a mean of the values, weighted by how well it
// matches their keys.
import {
  concat,
  constant,
  matmul,
  mul,
  override,
  show,
  softmax,
  splitLike,
  sub,
  sum,
  sumTo,
  tanh,
  transpose,
  unsqueeze,
  type Tensor,
} from '@brickwork/graph';
import { dropoutMask, type Context } from '@brickwork/nn';

/** Keys and values of earlier tokens, (B, H, P, D) each, which stay where they are. */
export interface Past {
  readonly key: Tensor;
  readonly value: Tensor;
  /** The keys are (B, H, D, P); one token's scores take half as long then. False unless given. */
  readonly across?: boolean;
}

/** What changes the attention of one call. */
export interface AttentionOptions {
  /**
   * Added to the scores: 0 where a query may look, a large negative number where not; learned numbers
   * get their gradient. Broadcast to (B, H, T, S).
   */
  readonly mask?: Tensor | null;
  /** Multiplies the scores; 1/√D unless given. */
  readonly scale?: number;
  /** Scores are kept below this: cap · tanh(score / cap) (Gemma 2); not unless given. */
  readonly softcap?: number | null;
  /** Probability with which a weight is dropped while training. */
  readonly dropout?: number;
  /** Keys and values that stand before `k` and `v`. */
  readonly past?: Past | null;
}

/** What a brick of attention gives: (B, T, C), its new keys and values, and its weights (B, H, T, S) if asked for. */
export interface AttentionOutput {
  readonly y: Tensor;
  readonly present: Past;
  readonly weights: () => Tensor;
}

/** Added to scores that a query must not see; e^-1e9 is 0 in float32. */
export const masked = -1e9;

/**
 * softmax(q k' · scale + mask) v for queries (B, H, T, D), keys (B, H, S, D) and values (B, H, S, E): (B, H, T, E).
 *
 * Keys and values may have fewer heads K, each serving H/K heads of queries in a row (grouped queries, Ainslie et al.,
 * 2023; K = 1 is Shazeer's of 2019).
 *
 * The gradient keeps the weights P of the forward pass: with g the gradient of the result o,
 * dv = P' g, dP = g v', dS = P (dP - sum(g o)), dq = dS k · scale, dk = dS' q · scale, dmask = dS.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, ctx: Context, o: AttentionOptions = {}): Tensor {
  const D = q.shape.at(-1);
  if (
    q.rank !== 4 ||
    k.rank !== 4 ||
    v.rank !== 4 ||
    k.shape[3] !== D ||
    k.shape[2] !== v.shape[2] ||
    k.shape[1] !== v.shape[1] ||
    Number(q.shape[1]) % Number(k.shape[1])
  )
    throw new Error(
      `attention: q ${show(q.shape)}, k ${show(k.shape)}, v ${show(v.shape)}; needs (B, H, T, D), (B, K, S, D), (B, K, S, E) with H a multiple of K`,
    );
  if (q.shape[1] !== k.shape[1]) return grouped(q, k, v, ctx, o);
  return attend(q, k, v, ctx, o);
}

// Of any stacks of (T, D), (S, D) and (S, E).
function attend(q: Tensor, k: Tensor, v: Tensor, ctx: Context, o: AttentionOptions): Tensor {
  const D = q.shape.at(-1) as number;
  const { mask = null, scale = 1 / Math.sqrt(D), dropout = 0, past = null, softcap = null } = o;
  if (past) return withPast(q, k, v, past, ctx, { mask, scale, dropout, softcap });
  const scores = matmul(q, k, { transB: true, alpha: scale }); // (B, H, T, S)
  if (softcap) {
    const capped = cap(scores, softcap);
    const weights = softmax(mask ? capped.add(mask) : capped);
    const dropped = dropoutMask(weights.shape, dropout, ctx);
    return matmul(dropped ? mul(weights, dropped) : weights, v);
  }
  const P = softmax(mask ? scores.add(mask) : scores); // (B, H, T, S)
  const keep = dropoutMask(P.shape, dropout, ctx);
  const weights = keep ? mul(P, keep) : P;
  const y = matmul(weights, v); // (B, H, T, E)
  return override(y, mask ? [q, k, v, mask] : [q, k, v], (g) => {
    const dWeights = matmul(g, v, { transB: true });
    const dP = keep ? mul(dWeights, keep) : dWeights;
    const dS = mul(P, sub(dP, sum(mul(g, y), [-1], true)));
    return [
      matmul(dS, k, { alpha: scale }),
      sumTo(matmul(dS, q, { transA: true, alpha: scale }), k),
      sumTo(matmul(weights, g, { transA: true }), v),
      ...(mask ? [sumTo(dS, mask)] : []),
    ];
  });
}

/**
 * The weights with which {@link attention} takes its mean: (B, H, T, S), past keys first, and nothing dropped. The
 * engine merges what both compute.
 */
export function attentionWeights(q: Tensor, k: Tensor, o: AttentionOptions = {}): Tensor {
  const { mask = null, scale = 1 / Math.sqrt(q.shape[3] as number), past = null, softcap = null } = o;
  const n = Number(q.shape[1]) / Number(k.shape[1]);
  const keys = past ? concat([past.across ? transpose(past.key) : past.key, k], 2) : k;
  const all = matmul(q, n > 1 ? repeatHeads(keys, n) : keys, { transB: true, alpha: scale }); // (B, H, T, S)
  const scores = softcap ? cap(all, softcap) : all;
  return softmax(mask ? scores.add(mask) : scores);
}

/** x kept between -limit and limit, smoothly: limit · tanh(x / limit). */
export const cap = (x: Tensor, limit: number): Tensor => mul(tanh(mul(x, 1 / limit)), limit);

// The queries of a group stand one after the other along T, so that each head of keys is read once for all of them.
// Where T isn't known while tracing, they stand along an axis of their own.
function grouped(q: Tensor, k: Tensor, v: Tensor, ctx: Context, o: AttentionOptions): Tensor {
  const [B, H, T, D] = q.shape as [number, number, number | string, number];
  const K = k.shape[1] as number;
  const E = v.shape[3]!;
  const n = H / K;
  const { mask = null, past = null } = o;
  if (typeof T === 'string') {
    const wide = (x: Tensor): Tensor => unsqueeze(x, 2); // (B, K, 1, S, D)
    const heads = { ...o, past: past && { ...past, key: wide(past.key), value: wide(past.value) } };
    const shared = mask && mask.rank === 4 ? unsqueeze(mask, 1) : mask; // (B, 1, 1, T, S)
    const y = attend(q.reshape([B, K, n, T, D]), wide(k), wide(v), ctx, { ...heads, mask: shared }); // (B, K, n, T, E)
    return y.reshape([B, H, T, E]);
  }
  const rows = q.reshape([B, K, n * T, D]);
  // All rows of the mask, once for each query of a group.
  const masks = mask && mask.shape.at(-2) !== 1 ? concat(Array<Tensor>(n).fill(mask), mask.rank - 2) : mask;
  return attend(rows, k, v, ctx, { ...o, mask: masks }).reshape([B, H, T, E]);
}

// Each head n times: (B, K, S, D) to (B, n K, S, D).
function repeatHeads(x: Tensor, n: number): Tensor {
  const [B, K, S, D] = x.shape as [number, number, number, number];
  return concat(Array<Tensor>(n).fill(unsqueeze(x, 2)), 2).reshape([B, K * n, S, D]);
}

// The keys and values of the past are never joined to the new ones, only their scores are: (B, H, T, P + S).
function withPast(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  past: Past,
  ctx: Context,
  { mask, scale, dropout, softcap }: Required<Pick<AttentionOptions, 'mask' | 'scale' | 'dropout' | 'softcap'>>,
): Tensor {
  // Multiplied before, and by a vector: with a factor of its own, as which the engine takes a number, the product for one token
  // takes three times as long.
  const D = q.shape.at(-1) as number;
  const scaled = scale === 1 ? q : mul(q, constant(new Float32Array(D).fill(scale), [D]));
  const before = matmul(scaled, past.key, { transB: !past.across }); // (B, H, T, P)
  const now = matmul(scaled, k, { transB: true }); // (B, H, T, S)
  const both = concat([before, now], before.rank - 1); // (B, H, T, P+S)
  const joined = softcap ? cap(both, softcap) : both;
  const P = softmax(mask ? joined.add(mask) : joined);
  const keep = dropoutMask(P.shape, dropout, ctx);
  const [first, second] = splitLike(keep ? mul(P, keep) : P, [before, now], before.rank - 1);
  return matmul(first!, past.value).add(matmul(second!, v)); // (B, H, T, E)
}
