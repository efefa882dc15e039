// Rows of vectors in one stretch of memory, as float32 or as bytes with a scale, and their scores beside a query.

/** How vectors are compared. A score is larger where two are more alike: euclidean's is the negative distance. */
export type Metric = 'cosine' | 'dot' | 'euclidean';
/** How a vector's values are kept: as they are, or as bytes, each vector with a scale of its own. */
export type VectorType = 'float32' | 'int8';

export const metrics: readonly Metric[] = ['cosine', 'dot', 'euclidean'];
export const vectorTypes: readonly VectorType[] = ['float32', 'int8'];

/** Some rows of vectors. */
export interface VectorRows {
  /** Row-major, (rows, D). */
  readonly values: Float32Array | Int8Array;
  /** What a row's values are to be multiplied with. */
  readonly scales: Float64Array;
  /** 1 / the row's length, as its values stand, before the scale; 0 for zeros. */
  readonly inverses: Float64Array;
}

/** A query, ready to be compared. */
export interface Query {
  readonly values: Float64Array;
  /** 1 / its length; 0 for zeros. */
  readonly inverse: number;
}

/** Bytes of a value. */
export const valueBytes = (type: VectorType): number => (type === 'float32' ? 4 : 1);

/** Room for rows. */
export const emptyRows = (type: VectorType, rows: number, D: number): VectorRows => ({
  values: type === 'float32' ? new Float32Array(rows * D) : new Int8Array(rows * D),
  scales: new Float64Array(rows),
  inverses: new Float64Array(rows),
});

const inverseLength = (values: ArrayLike<number>, from: number, D: number): number => {
  let squares = 0;
  for (let i = from; i < from + D; i++) squares += values[i]! * values[i]!;
  return squares > 0 ? 1 / Math.sqrt(squares) : 0;
};

/** Writes a vector into a row; as bytes its largest value becomes 127. */
export function putVector(into: VectorRows, row: number, vector: Float32Array): void {
  const D = vector.length;
  const { values, scales, inverses } = into;
  if (values instanceof Float32Array) {
    values.set(vector, row * D);
    scales[row] = 1;
  } else {
    let largest = 0;
    for (let i = 0; i < D; i++) largest = Math.max(largest, Math.abs(vector[i]!));
    scales[row] = largest / 127;
    for (let i = 0; i < D; i++) values[row * D + i] = largest ? Math.round((vector[i]! / largest) * 127) : 0;
  }
  inverses[row] = inverseLength(values, row * D, D);
}

/** A row's vector, as near to what was put there as its values tell. */
export function takeVector({ values, scales }: VectorRows, row: number, D: number): Float32Array {
  return Float32Array.from(values.subarray(row * D, (row + 1) * D), (x) => x * scales[row]!);
}

/** Prepares a vector for {@link scoreRows}. */
export const makeQuery = (vector: Float32Array): Query => ({
  values: Float64Array.from(vector),
  inverse: inverseLength(vector, 0, vector.length),
});

/** The scores of the first `count` rows, into `out`. Sums are in float64; a row's score never depends on the others. */
export function scoreRows(metric: Metric, query: Query, rows: VectorRows, count: number, out: Float64Array): void {
  const { values, inverse } = query;
  if (metric === 'euclidean') return distances(values, rows, count, out);
  // Apart, so that each loop sees one kind of array.
  if (rows.values instanceof Float32Array) dots(values, rows.values, count, out);
  else byteDots(values, rows.values, count, out);
  const { scales, inverses } = rows;
  if (metric === 'dot') for (let i = 0; i < count; i++) out[i]! *= scales[i]!;
  else for (let i = 0; i < count; i++) out[i] = Math.max(-1, Math.min(1, out[i]! * inverses[i]! * inverse));
}

/** The score of one row. */
export function scoreRow(metric: Metric, query: Query, rows: VectorRows, row: number): number {
  const D = query.values.length;
  const one = {
    values: rows.values.subarray(row * D, (row + 1) * D),
    scales: rows.scales.subarray(row, row + 1),
    inverses: rows.inverses.subarray(row, row + 1),
  };
  const out = new Float64Array(1);
  scoreRows(metric, query, one, 1, out);
  return out[0]!;
}

// Four rows at once, so that each value of the query is read once for four; each row's sum goes in the same order.
function dots(q: Float64Array, x: Float32Array, count: number, out: Float64Array): void {
  const D = q.length;
  let i = 0;
  for (; i + 3 < count; i += 4) {
    let [a, b, c, d] = [0, 0, 0, 0];
    const [p, r, s, t] = [i * D, (i + 1) * D, (i + 2) * D, (i + 3) * D];
    for (let j = 0; j < D; j++) {
      const v = q[j]!;
      a += x[p + j]! * v;
      b += x[r + j]! * v;
      c += x[s + j]! * v;
      d += x[t + j]! * v;
    }
    out[i] = a;
    out[i + 1] = b;
    out[i + 2] = c;
    out[i + 3] = d;
  }
  for (; i < count; i++) {
    let sum = 0;
    for (let j = 0, at = i * D; j < D; j++) sum += x[at + j]! * q[j]!;
    out[i] = sum;
  }
}

function byteDots(q: Float64Array, x: Int8Array, count: number, out: Float64Array): void {
  const D = q.length;
  let i = 0;
  for (; i + 3 < count; i += 4) {
    let [a, b, c, d] = [0, 0, 0, 0];
    const [p, r, s, t] = [i * D, (i + 1) * D, (i + 2) * D, (i + 3) * D];
    for (let j = 0; j < D; j++) {
      const v = q[j]!;
      a += x[p + j]! * v;
      b += x[r + j]! * v;
      c += x[s + j]! * v;
      d += x[t + j]! * v;
    }
    out[i] = a;
    out[i + 1] = b;
    out[i + 2] = c;
    out[i + 3] = d;
  }
  for (; i < count; i++) {
    let sum = 0;
    for (let j = 0, at = i * D; j < D; j++) sum += x[at + j]! * q[j]!;
    out[i] = sum;
  }
}

function distances(q: Float64Array, { values: x, scales }: VectorRows, count: number, out: Float64Array): void {
  const D = q.length;
  let i = 0;
  for (; i + 1 < count; i += 2) {
    const [p, r, s, t] = [i * D, (i + 1) * D, scales[i]!, scales[i + 1]!];
    let [a, b, c, d] = [0, 0, 0, 0];
    for (let j = 0; j < D; j++) {
      const v = q[j]!;
      c = x[p + j]! * s - v;
      d = x[r + j]! * t - v;
      a += c * c;
      b += d * d;
    }
    out[i] = 0 - Math.sqrt(a);
    out[i + 1] = 0 - Math.sqrt(b);
  }
  for (; i < count; i++) {
    let sum = 0;
    for (let j = 0, at = i * D; j < D; j++) sum += (x[at + j]! * scales[i]! - q[j]!) ** 2;
    out[i] = 0 - Math.sqrt(sum);
  }
}
