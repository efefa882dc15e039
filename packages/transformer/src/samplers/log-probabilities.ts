// Log-probabilities of a row of logits and how uncertain they are.

/** ln p of each token, in double precision, and the entropy -Σ p ln p in nats. */
export function logProbabilities(logits: Float32Array): { logs: Float64Array; entropy: number } {
  let max = -Infinity;
  for (const logit of logits) if (logit > max) max = logit;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - max);
  const normaliser = max + Math.log(total);
  const logs = Float64Array.from(logits, (logit) => logit - normaliser);
  let entropy = 0;
  for (const log of logs) if (log > -Infinity) entropy -= Math.exp(log) * log;
  return { logs, entropy };
}
