// The normaliser of a softmax, computed stably: log p(id) = logits[id] - logSumExp(logits).

/**
 * log(sum(exp(logits))) in double precision, the largest taken out first.
 *
 * @throws where the logits hold NaN, +Infinity or nothing but -Infinity.
 */
export function logSumExp(logits: Float32Array): number {
  let max = -Infinity;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > max) max = logits[i]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - max);
  const result = max + Math.log(sum);
  if (!Number.isFinite(result))
    throw new Error(
      `logSumExp: ${logits.length} logits with maximum ${max} give ${result}; needs numbers. Are the weights right, or did training diverge?`,
    );
  return result;
}
