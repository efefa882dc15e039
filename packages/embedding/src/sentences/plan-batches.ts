// Which texts run together: those of similar length, so that little is computed for padding, and no more tokens at once than
// a machine's caches like.

/** How batches are made. */
export interface PlanOptions {
  /** Most texts of a batch. */
  readonly batchSize: number;
  /** Most tokens of a batch, padding included; a longer text runs by itself. */
  readonly tokens: number;
  /** Most of a batch that may be padding, as a share. */
  readonly waste: number;
}

/** Tokens of padding that cost less than another run does. */
const cheap = 48;

/** Groups of indices of `lengths`, longest first: the first batch needs the most memory. */
export function planBatches(lengths: ArrayLike<number>, { batchSize, tokens, waste }: PlanOptions): number[][] {
  const order = Array.from({ length: lengths.length }, (_, i) => i).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const batches: number[][] = [];
  let [batch, longest, real]: [number[], number, number] = [[], 0, 0];
  for (const i of order) {
    const length = Math.max(1, lengths[i]!);
    const padded = longest * (batch.length + 1);
    const padding = padded - real - length;
    const isFull = batch.length >= batchSize || padded > tokens || (padding > cheap && padding > waste * padded);
    if (batch.length && isFull) {
      batches.push(batch);
      [batch, longest, real] = [[], 0, 0];
    }
    if (!batch.length) longest = length;
    batch.push(i);
    real += length;
  }
  if (batch.length) batches.push(batch);
  return batches;
}
