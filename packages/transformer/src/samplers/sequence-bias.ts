// A bias on the last token of given sequences (Hugging Face's SequenceBias and NoBadWords): to favour or forbid words.
import { checkNumber } from './check.ts';
import type { LogitsProcessor } from './logits-processor.ts';

const checkSequence = (who: string, ids: readonly number[]): void => {
  if (!Array.isArray(ids) || !ids.length) throw new TypeError(`${who}: needs lists of one token id or more`);
  for (const id of ids) checkNumber(who, id, (n) => Number.isInteger(n) && n >= 0, 'token ids, whole numbers from 0');
};

/**
 * Adds a bias to a sequence's last token where the row ends with all before it. The row, prompt included, must be at least as
 * long as the sequence, as in Hugging Face; biases of several sequences add up.
 */
export function sequenceBias({
  biases,
}: {
  readonly biases: readonly (readonly [ids: readonly number[], bias: number])[];
}): LogitsProcessor {
  for (const [ids, bias] of biases) {
    checkSequence('sequenceBias', ids);
    if (typeof bias !== 'number' || Number.isNaN(bias) || bias === Infinity)
      throw new TypeError(`sequenceBias: the bias is ${String(bias)}; needs a finite number or -Infinity`);
  }
  return (logits, { ids }) => {
    for (const [sequence, bias] of biases) {
      const last = sequence.length - 1;
      if (last > 0 && (sequence.length > ids.length || sequence.slice(0, -1).some((id, i) => ids.at(i - last) !== id)))
        continue;
      if (sequence[last]! < logits.length) logits[sequence[last]!]! += bias;
    }
  };
}

/** Never lets one of `words` (token ids each) be completed; what is one of `eosTokenIds` alone doesn't count. */
export function badWords({
  words,
  eosTokenIds = [],
}: {
  readonly words: readonly (readonly number[])[];
  readonly eosTokenIds?: readonly number[];
}): LogitsProcessor {
  for (const word of words) checkSequence('badWords', word);
  const kept = words.filter((word) => word.length > 1 || !eosTokenIds.includes(word[0]!));
  return sequenceBias({ biases: kept.map((word) => [word, -Infinity]) });
}

/** Adds to the logits of single tokens: `new Map([[50256, -100]])`, or an object by id. */
export function logitBias({
  bias,
}: {
  readonly bias: ReadonlyMap<number, number> | Readonly<Record<number, number>>;
}): LogitsProcessor {
  const entries = bias instanceof Map ? [...bias] : Object.entries(bias).map(([id, by]) => [Number(id), by] as const);
  return sequenceBias({ biases: (entries as (readonly [number, number])[]).map(([id, by]) => [[id], by]) });
}
