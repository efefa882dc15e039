// Presence penalty (OpenAI's API): takes a constant off tokens that were generated before.
import { checkNumber } from './check.ts';
import type { LogitsProcessor } from './logits-processor.ts';

/** Subtracts `penalty` from the logit of every token generated so far, once; tokens of the prompt do not count. */
export function presencePenalty({ penalty = 0 }: { readonly penalty?: number } = {}): LogitsProcessor {
  checkNumber('presencePenalty: penalty', penalty, () => true, 'a finite number');
  return (logits, { ids, promptLength }) => {
    for (const id of new Set(ids.slice(promptLength))) if (id < logits.length) logits[id]! -= penalty;
  };
}
