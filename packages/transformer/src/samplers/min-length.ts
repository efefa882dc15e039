// No end before a least length (as Hugging Face's MinLength and MinNewTokensLength).
import type { LogitsProcessor } from './logits-processor.ts';

/**
 * Removes the end tokens until a row has `length` tokens with its prompt, and `newTokens` without it.
 */
export function minLength({
  eosTokenIds,
  length = 0,
  newTokens = 0,
}: {
  readonly eosTokenIds: readonly number[];
  readonly length?: number;
  readonly newTokens?: number;
}): LogitsProcessor {
  return (logits, { ids, promptLength }) => {
    if (ids.length >= length && ids.length - promptLength >= newTokens) return;
    for (const id of eosTokenIds) if (id < logits.length) logits[id] = -Infinity;
  };
}
