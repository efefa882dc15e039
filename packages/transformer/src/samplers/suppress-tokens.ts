// Tokens that are never picked, or not as the first of what is generated (Whisper: Radford et al., 2022).
import type { LogitsProcessor } from './logits-processor.ts';

/**
 * Removes tokens: at every place, or where `at` is given only where that many tokens were generated before.
 *
 * @param options.at 0 is the first generated token.
 */
export function suppressTokens({
  ids: tokens,
  at,
}: {
  readonly ids: readonly number[];
  readonly at?: number;
}): LogitsProcessor {
  return (logits, { ids, promptLength }) => {
    if (at !== undefined && ids.length - promptLength !== at) return;
    for (const id of tokens) if (id < logits.length) logits[id] = -Infinity;
  };
}
