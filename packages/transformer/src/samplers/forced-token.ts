// Tokens that must stand at a place: BART's first one and the end at the greatest length (Lewis et al., 2020).
import type { LogitsContext, LogitsProcessor } from './logits-processor.ts';

/** Leaves only `id` after a prompt of one token, such as a decoder's start. */
export const forcedBos = ({ id }: { readonly id: number }): LogitsProcessor =>
  forced('forcedBos', [id], ({ ids }) => ids.length === 1);

/** Leaves only `ids` at the last place that the row has room for. */
export const forcedEos = ({ ids }: { readonly ids: readonly number[] }): LogitsProcessor =>
  forced('forcedEos', ids, (row) => row.ids.length + 1 === row.maxLength);

// The forced tokens score 0, a probability of 1, as in the reference: beams add it to their sums.
function forced(who: string, tokens: readonly number[], isHere: (row: LogitsContext) => boolean): LogitsProcessor {
  return (logits, row) => {
    if (!isHere(row)) return;
    logits.fill(-Infinity);
    for (const id of tokens) {
      if (id >= logits.length) throw new Error(`${who}: token ${id} is outside the vocabulary of ${logits.length}`);
      logits[id] = 0;
    }
  };
}
