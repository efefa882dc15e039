// Locally typical sampling (Meister et al., 2023): the tokens stay whose surprise is closest to the expected one.
import { checkKeep, checkNumber } from './check.ts';
import type { LogitsProcessor } from './logits-processor.ts';
import { logProbabilities } from './log-probabilities.ts';

/**
 * Keeps the tokens whose -log p is closest to the entropy until together they reach `p`; those as close as the last stay too.
 *
 * @param options.keep at least this many stay.
 */
export function typicalP({ p = 0.9, keep = 1 }: { readonly p?: number; readonly keep?: number } = {}): LogitsProcessor {
  checkNumber('typicalP: p', p, (value) => value > 0 && value <= 1, 'a number above 0 and up to 1');
  checkKeep('typicalP', keep);
  return (logits) => {
    if (p === 1) return;
    const { logs, entropy } = logProbabilities(logits);
    const distance = logs.map((log) => Math.abs(-log - entropy));
    const order = distance.map((_, id) => id).sort((a, b) => distance[a]! - distance[b]!);
    let reached = 0;
    let last = 0;
    while (last < order.length - 1 && (reached += Math.exp(logs[order[last]!]!)) < p) last++;
    const furthest = distance[order[Math.max(last, Math.min(keep, order.length) - 1)]!]!;
    for (let id = 0; id < logits.length; id++) if (distance[id]! > furthest) logits[id] = -Infinity;
  };
}
