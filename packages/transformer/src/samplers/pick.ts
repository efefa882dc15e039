// Picks the next token: the most probable one, or one drawn by probability.

const nothingLeft = (who: string): Error =>
  new Error(`${who}: no token is left to pick (every logit is -Infinity or NaN). Which processor removed them all?`);

/** The id of the largest logit; of equal ones the lowest. */
export function argMax(logits: Float32Array): number {
  let best = -1;
  let max = -Infinity;
  for (let i = 0; i < logits.length; i++) {
    if (logits[i]! > max) {
      max = logits[i]!;
      best = i;
    }
  }
  if (best < 0) throw nothingLeft('argMax');
  return best;
}

/**
 * An id drawn with probability softmax(logits), by walking the cumulative sum in double precision up to `uniform`.
 *
 * @param uniform from [0, 1); decides alone, so that the same one picks the same token.
 */
export function draw(logits: Float32Array, uniform: number): number {
  const max = logits[argMax(logits)]!;
  let total = 0;
  for (const logit of logits) if (logit > -Infinity) total += Math.exp(logit - max);
  if (!(total < Infinity)) throw new Error('draw: logits hold NaN or Infinity; are the weights right?');
  let left = uniform * total;
  let last = 0;
  for (let i = 0; i < logits.length; i++) {
    const weight = logits[i]! > -Infinity ? Math.exp(logits[i]! - max) : 0;
    if (weight === 0) continue;
    last = i;
    left -= weight;
    if (left < 0) return i;
  }
  return last; // rounding left a crumb
}
