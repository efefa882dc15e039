// Top-p or nucleus sampling (Holtzman et al., 2020): the fewest most probable tokens that together reach p stay.
import { checkKeep, checkNumber } from './check.ts';
import { heapify, sink } from './heap.ts';
import type { LogitsProcessor } from './logits-processor.ts';

/**
 * Removes the least probable tokens as long as what is removed sums to 1 - p or less, so that the token that crosses p
 * stays; of equal ones the lower id goes first. This is Hugging Face's rule. `p` of 1 removes nothing.
 *
 * Only tokens that can be in the nucleus are ordered: all those below (1 - p) / V together are within 1 - p.
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
    const weights = new Float64Array(V);
    let total = 0;
    for (let i = 0; i < V; i++) total += weights[i] = Math.exp(logits[i]! - max);
    if (!(total > 0 && total < Infinity)) return; // nothing is left, or not numbers: for the one who draws to report

    const cutoff = keep > 1 ? 0 : ((1 - p) * total) / V;
    let size = 0;
    const heap = new Int32Array(V); // its first is the most probable
    for (let i = 0; i < V; i++) if (weights[i]! >= cutoff) heap[size++] = i;
    const before = (a: number, b: number): boolean => {
      const [x, y] = [logits[a]!, logits[b]!];
      return x > y || (x === y && a > b);
    };
    heapify(heap, size, before);

    const kept: [id: number, logit: number][] = [];
    let above = 0;
    while (size > 0 && (kept.length < keep || Math.fround((total - above) / total) > removable)) {
      const id = heap[0]!;
      kept.push([id, logits[id]!]);
      above += weights[id]!;
      heap[0] = heap[--size]!;
      sink(heap, 0, size, before);
    }
    logits.fill(-Infinity);
    for (const [id, logit] of kept) logits[id] = logit;
  };
}
