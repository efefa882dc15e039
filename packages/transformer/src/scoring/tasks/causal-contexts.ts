// What a causal model says of the token after each of several texts, and of given tokens after them.
import type { Tokenizer } from '@brickwork/tokenizer';
import type { Decoder } from '../../generation/decoder.ts';
import { logSumExp } from '../../generation/log-sum-exp.ts';

/** The ids of a text as scoring has them: after the token that begins texts, where there is one. @throws where there are none. */
export function contextIds(tokenizer: Tokenizer, text: string): number[] {
  const { ids, specialTokensMask } = text ? tokenizer.encode(text) : tokenizer.encode('', {});
  // What the tokenizer puts after a text isn't there yet.
  const ends = specialTokensMask.lastIndexOf(0) + 1;
  const own = text && ends ? ids.slice(0, ends) : [...ids];
  const { bos, eos } = tokenizer.specialTokens;
  const first = bos?.id ?? eos?.id;
  const isAdded = first !== undefined && own[0] !== first && specialTokensMask[0] !== 1;
  const all = isAdded ? [first, ...own] : own;
  if (!all.length)
    throw new Error('cloze: nothing stands before the blank, and the model has no token that begins texts');
  return all;
}

/** How a text goes on, token by token. */
export interface TargetScore {
  /** ln p of all its tokens, in nats. */
  readonly logProb: number;
  /** Whether each of its tokens is the likeliest at its place (lm-evaluation-harness' is_greedy). */
  readonly isGreedy: boolean;
  /** How many tokens are likelier than its first, plus one. */
  readonly firstTokenRank: number;
  readonly tokens: number;
}

/**
 * Scores what follows each of several contexts, all in one batch. Contexts that are too long lose their beginning.
 *
 * @throws where a target is empty or longer than the model sees.
 */
export async function targetScores(
  decoder: Decoder,
  rows: readonly { readonly context: readonly number[]; readonly target: readonly number[] }[],
  signal?: AbortSignal,
): Promise<TargetScore[]> {
  const most = decoder.contextLength;
  const contexts = rows.map(({ context, target }) => {
    const room = Math.min(context.length, most - target.length);
    if (!target.length || room < 1)
      throw new Error(`cloze: an answer of ${target.length} tokens; needs 1 to ${most - 1}, below what the model sees`);
    return context.slice(-room);
  });
  const found = rows.map(() => ({ logProb: 0, isGreedy: true, firstTokenRank: 0 }));
  const longest = Math.max(...rows.map(({ target }) => target.length));
  const V = decoder.vocabularySize;
  let logits = await decoder.prefill(contexts, signal);
  // Rows whose target is longer, in the decoder's order.
  let open = rows.map((_, row) => row);
  for (let t = 0; t < longest; t++) {
    open.forEach((row, place) => {
      const own = logits.subarray(place * V, (place + 1) * V);
      const id = rows[row]!.target[t]!;
      const one = found[row]!;
      one.logProb += own[id]! - logSumExp(own);
      const rank = rankOf(own, id);
      if (t === 0) one.firstTokenRank = rank;
      one.isGreedy &&= rank === 1;
    });
    const stays = open.flatMap((row, place) => (rows[row]!.target.length > t + 1 ? [place] : []));
    if (!stays.length) break;
    decoder.reorder(stays);
    open = stays.map((place) => open[place]!);
    logits = await decoder.step(
      open.map((row) => rows[row]!.target[t]!),
      signal,
    );
  }
  return found.map((one, row) => ({ ...one, tokens: rows[row]!.target.length }));
}

// Of equal ones, the lower number comes first, as in argmax.
function rankOf(logits: Float32Array, id: number): number {
  const own = logits[id]!;
  let before = 0;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > own || (logits[i] === own && i < id)) before++;
  return before + 1;
}
