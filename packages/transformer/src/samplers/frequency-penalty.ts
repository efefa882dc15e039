// Frequency penalty (OpenAI's API): takes off tokens in proportion to how often they were generated.
import { checkNumber } from './check.ts';
import type { LogitsProcessor } from './logits-processor.ts';

/** Subtracts `penalty` times its count from the logit of every token generated so far; the prompt does not count. */
export function frequencyPenalty({ penalty = 0 }: { readonly penalty?: number } = {}): LogitsProcessor {
  checkNumber('frequencyPenalty: penalty', penalty, () => true, 'a finite number');
  return (logits, { ids, promptLength }) => {
    const counts = new Map<number, number>();
    for (const id of ids.slice(promptLength)) counts.set(id, (counts.get(id) ?? 0) + 1);
    for (const [id, count] of counts) if (id < logits.length) logits[id]! -= penalty * count;
  };
}
