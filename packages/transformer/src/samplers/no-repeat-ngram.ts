// No n-gram twice (Paulus, Xiong and Socher, 2018): a token that would repeat a run of n tokens is never picked.
import { checkNumber } from './check.ts';
import type { LogitsProcessor } from './logits-processor.ts';

/** Removes each token that would make the last `size` tokens ones that stood in the row before, its prompt included. */
export function noRepeatNgram({ size }: { readonly size: number }): LogitsProcessor {
  checkSize('noRepeatNgram', size);
  return (logits, { ids }) => forbid(logits, ids, ids, size);
}

/**
 * Removes each token that would make the last `size` tokens ones that stand in the encoder's input.
 *
 * @throws on a row of a model without an encoder.
 */
export function encoderNoRepeatNgram({ size }: { readonly size: number }): LogitsProcessor {
  checkSize('encoderNoRepeatNgram', size);
  return (logits, { ids, encoderIds }) => {
    if (!encoderIds)
      throw new Error(
        'encoderNoRepeatNgram: the row has no encoder input; this is for encoder-decoders. Did you mean noRepeatNgram?',
      );
    forbid(logits, ids, encoderIds, size);
  };
}

const checkSize = (who: string, size: number): void =>
  checkNumber(`${who}: size`, size, (n) => Number.isInteger(n) && n >= 1, 'a whole number of 1 or more');

// What follows the last size - 1 of `ids` anywhere in `seen` is removed.
function forbid(logits: Float32Array, ids: readonly number[], seen: readonly number[], size: number): void {
  const before = size - 1;
  const from = ids.length - before;
  if (from < 0) return;
  for (let at = before; at < seen.length; at++) {
    let i = 0;
    while (i < before && seen[at - before + i] === ids[from + i]) i++;
    if (i === before && seen[at]! < logits.length) logits[seen[at]!] = -Infinity;
  }
}
