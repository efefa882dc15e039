// Relative positions in attention's scores: every distance has a vector, and keys (Shaw et al., 2018) or keys and queries
// (Huang et al., 2020, method 4) are compared with it.
import { constant, gather, matmul, range, sizeOf, sub, unsqueeze, type Tensor } from '@brickwork/graph';

/**
 * q · E[t - s] for queries (B, H, T, D), and with keys also k · E[t - s]: (B, H, T, T).
 *
 * @param table E, (2M-1, D): row M-1 is that of distance 0
 */
export function relativeScores(q: Tensor, table: Tensor, keys: Tensor | null = null): Tensor {
  const vectors = gather(table, distances(q, Number(table.shape[0]))); // (T, T, D): query, key, channel
  const byQuery = against(q, vectors);
  // The same product with keys outside: (B, H, S, T), turned.
  return keys ? byQuery.add(against(keys, vectors.permute([1, 0, 2])).transpose()) : byQuery;
}

// x (B, H, T, D) · vectors (T, S, D), position by position: (B, H, T, S).
function against(x: Tensor, vectors: Tensor): Tensor {
  const [B, H, T, D] = x.shape as [number, number, number, number];
  const rows = x.permute([2, 0, 1, 3]).reshape([T, -1, D]); // (T, B·H, D)
  return matmul(rows, vectors, { transB: true }) // (T, B·H, S)
    .reshape([T, B, H, vectors.shape[1]!])
    .permute([1, 2, 0, 3]);
}

// Rows of the table for each query and key: query's position - key's position + M - 1.
function distances(x: Tensor, rows: number): Tensor {
  const T = x.shape[2]!;
  const middle = (rows - 1) / 2;
  if (typeof T === 'number')
    return constant(
      BigInt64Array.from({ length: T * T }, (_, i) => BigInt(Math.floor(i / T) - (i % T) + middle)),
      [T, T],
    );
  const at = range(sizeOf(x, 2), T); // (T)
  return sub(unsqueeze(at, 1), unsqueeze(at, 0)).add(constant(BigInt64Array.of(BigInt(middle)), []));
}
