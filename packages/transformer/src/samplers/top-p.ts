// Top-p or nucleus sampling (Holtzman et al., 2020): the fewest most probable tokens that together reach p stay.
import { checkKeep, checkNumber } from './check.ts';
import type { LogitsProcessor } from './logits-processor.ts';

/**
 * Removes the least probable tokens as long as what is removed sums to 1 - p or less, so that the token that crosses p
 * stays; of equal ones the lower id goes first. This is Hugging Face's rule. `p` of 1 removes nothing.
 *
 * Only tokens that can be in the nucleus are sorted: all those below (1 - p) / V together are within 1 - p.
 *
 * @param options.keep at least this many stay.
 */
export function topP({ p = 0.9, keep = 1 }: { readonly p?: number; readonly keep?: number } = {}): LogitsProcessor {
  checkNumber('topP: p', p, (value) => value > 0 && value <= 1, 'a number above 0 and up to 1');
  checkKeep('topP', keep);
  // Sums are compared as float32, as the reference's are: 0.1 of ten equal tokens is then exactly 1 - 0.9.
  const removable = Math.fround(1 - p);
  return (logits) => {
    if (p === 1) return;
    let max = -Infinity;
    for (const value of logits) if (value > max) max = value;
    const V = logits.length;
    let total = 0;
    for (let id = 0; id < V; id++) total += Math.exp(logits[id]! - max);
    if (!(total > 0 && total < Infinity)) return; // nothing is left, or not numbers: for the one who draws to report

    const floor = keep > 1 ? -Infinity : max + Math.log(((1 - p) * total) / V) - 1e-6;
    const candidates = new Float32Array(V);
    let count = 0;
    for (let id = 0; id < V; id++) if (logits[id]! >= floor) candidates[count++] = logits[id]!;
    const sorted = candidates.subarray(0, count).sort();
    let above = 0;
    let kept = 0;
    while (kept < count && (kept < keep || Math.fround((total - above) / total) > removable)) {
      kept++;
      above += Math.exp(sorted[count - kept]! - max);
    }
    const least = sorted[count - kept]!;
    let equal = 0; // how many of the kept are no better than the least
    while (equal < kept && sorted[count - kept + equal] === least) equal++;
    for (let id = V - 1; id >= 0; id--) {
      const logit = logits[id]!;
      if (logit > least || (logit === least && equal-- > 0)) continue;
      logits[id] = -Infinity;
    }
  };
}
