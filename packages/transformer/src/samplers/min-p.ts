// Min-p sampling (Nguyen et al., 2024): a token stays if it is at least p times as probable as the most probable one.
import { checkKeep, checkNumber } from './check.ts';
import type { LogitsProcessor } from './logits-processor.ts';
import { topCandidates } from './top-candidates.ts';

/**
 * Removes tokens whose probability is below `p` times the largest; the most probable always stays. 0 removes nothing.
 *
 * @param options.keep at least this many stay.
 */
export function minP({ p = 0.05, keep = 1 }: { readonly p?: number; readonly keep?: number } = {}): LogitsProcessor {
  checkNumber('minP: p', p, (value) => value >= 0 && value <= 1, 'a number from 0 to 1');
  checkKeep('minP', keep);
  return (logits) => {
    let max = -Infinity;
    for (const value of logits) if (value > max) max = value;
    const kept = keep > 1 ? Array.from(topCandidates(logits, keep), (id) => [id, logits[id]!] as const) : [];
    for (let i = 0; i < logits.length; i++) if (Math.exp(logits[i]! - max) < p) logits[i] = -Infinity;
    for (const [id, logit] of kept) logits[id] = logit;
  };
}
