// Top-k sampling (Fan, Lewis and Dauphin, 2018): only the k most probable tokens stay.
import { checkKeep, checkNumber } from './check.ts';
import type { LogitsProcessor } from './logits-processor.ts';
import { topCandidates } from './top-candidates.ts';

/**
 * Removes every token whose logit is below the k-th largest; those equal to it stay, as in Hugging Face.
 *
 * @param options.k how many; more than the vocabulary keeps all.
 * @param options.keep at least this many stay.
 */
export function topK({ k = 50, keep = 1 }: { readonly k?: number; readonly keep?: number } = {}): LogitsProcessor {
  checkNumber('topK: k', k, (n) => Number.isInteger(n) && n >= 1, 'a whole number of 1 or more');
  checkKeep('topK', keep);
  return (logits) => {
    const count = Math.max(k, keep);
    if (count >= logits.length) return;
    const threshold = logits[topCandidates(logits, count)[count - 1]!]!;
    for (let i = 0; i < logits.length; i++) if (logits[i]! < threshold) logits[i] = -Infinity;
  };
}
