// Epsilon and eta sampling (Hewitt, Manning and Liang, 2022): tokens below a probability are cut, one that may follow the entropy.
import { checkNumber } from './check.ts';
import type { LogitsProcessor } from './logits-processor.ts';
import { logProbabilities } from './log-probabilities.ts';

/** Removes tokens less probable than `epsilon`; the most probable stays. */
export function epsilonCutoff({ epsilon }: { readonly epsilon: number }): LogitsProcessor {
  checkNumber('epsilonCutoff: epsilon', epsilon, (value) => value > 0 && value < 1, 'a number between 0 and 1');
  return (logits) => cut(logits, logProbabilities(logits).logs, epsilon);
}

/** As {@link epsilonCutoff}, but with min(epsilon, √epsilon · e^-entropy), which is less where the model is unsure. */
export function etaCutoff({ epsilon }: { readonly epsilon: number }): LogitsProcessor {
  checkNumber('etaCutoff: epsilon', epsilon, (value) => value > 0 && value < 1, 'a number between 0 and 1');
  return (logits) => {
    const { logs, entropy } = logProbabilities(logits);
    cut(logits, logs, Math.min(epsilon, Math.sqrt(epsilon) * Math.exp(-entropy)));
  };
}

function cut(logits: Float32Array, logs: Float64Array, least: number): void {
  let max = -Infinity;
  for (const logit of logits) if (logit > max) max = logit;
  for (let id = 0; id < logits.length; id++)
    if (Math.exp(logs[id]!) < least && logits[id]! < max) logits[id] = -Infinity;
}
