// Contrastive search (Su et al., 2022): of the most probable tokens the one whose state is least like those before it, so
// that a text neither rambles nor repeats itself.
import { topCandidates } from '../samplers/top-candidates.ts';
import type { Decoder } from './decoder.ts';
import { logSumExp } from './log-sum-exp.ts';
import type { Settings } from './options.ts';
import type { FinishReason, GeneratedSequence, GeneratedToken } from './tokens.ts';

type StopWhen = (token: { readonly row: number; readonly id: number }) => boolean;

/**
 * Continues each prompt, one after the other, by the token v of the k most probable that has the largest
 * (1 - α) p(v) - α max cos(h(v), h(j)), h being the last layer's hidden states and j every token before.
 */
export async function* contrastive(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  settings: Settings,
  { alpha, k }: NonNullable<Settings['contrast']>,
  stopWhen: StopWhen,
): AsyncGenerator<GeneratedToken, GeneratedSequence[], undefined> {
  if (!decoder.hiddenStates)
    throw new Error(
      "generateTokens: penaltyAlpha needs a decoder that keeps hidden states (decoder({ hiddenStates: true })); this one doesn't",
    );
  const results: GeneratedSequence[] = [];
  for (const [row, prompt] of prompts.entries()) {
    const sequence = one(decoder, prompt, { row, settings, alpha, k, stopWhen });
    for (;;) {
      const next = await sequence.next();
      if (next.done) {
        results.push(next.value);
        break;
      }
      yield next.value;
    }
  }
  return results;
}

async function* one(
  decoder: Decoder,
  prompt: readonly number[],
  o: {
    readonly row: number;
    readonly settings: Settings;
    readonly alpha: number;
    readonly k: number;
    readonly stopWhen: StopWhen;
  },
): AsyncGenerator<GeneratedToken, GeneratedSequence, undefined> {
  const { row, settings, alpha, k, stopWhen } = o;
  const V = decoder.vocabularySize;
  const signal = settings.signal ?? undefined;
  const limit = Math.min(settings.maxNewTokens, decoder.contextLength - prompt.length);
  const ids = [...prompt];
  const logprobs: number[] = [];
  let finishReason: FinishReason | null = limit > 0 ? null : 'length';
  try {
    let logits =
      finishReason === null && !signal?.aborted ? (await decoder.prefill([prompt], signal)).slice(0, V) : null;
    while (logits && finishReason === null && !signal?.aborted) {
      const scores = logits.slice();
      for (const process of settings.processors) process(scores, { ids, promptLength: prompt.length });
      const candidates = Array.from(topCandidates(scores, k)).filter((id) => scores[id]! > -Infinity);
      const normaliser = logSumExp(scores);
      // Every candidate is read as a row of its own.
      const seen = decoder.hiddenStates!(0).map(unit);
      decoder.reorder(candidates.map(() => 0));
      const after: Float32Array = await decoder.step(candidates, signal);
      let best = 0;
      let most = -Infinity;
      candidates.forEach((id, i) => {
        const state = unit(decoder.hiddenStates!(i).at(-1)!);
        const alike = seen.reduce((largest, other) => Math.max(largest, dot(state, other)), -Infinity);
        const value = (1 - alpha) * Math.exp(scores[id]! - normaliser) - alpha * alike;
        if (value > most) [best, most] = [i, value];
      });
      const id = candidates[best]!;
      const own = logSumExp(logits);
      const logprob = logits[id]! - own;
      const alternatives = Array.from(topCandidates(logits, settings.logprobs), (other) => ({
        id: other,
        logprob: logits![other]! - own,
      }));
      logits = after.slice(best * V, (best + 1) * V);
      decoder.reorder([best]);
      const step = logprobs.length;
      ids.push(id);
      logprobs.push(logprob);
      if (settings.eosTokenIds.includes(id)) finishReason = 'eos';
      else if (stopWhen({ row, id })) finishReason = 'stop';
      else if (step + 1 === limit) finishReason = 'length';
      yield { row, step, id, logprob, finishReason, alternatives };
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
  return {
    row,
    prompt: row,
    promptLength: prompt.length,
    ids: ids.slice(prompt.length),
    logprobs,
    finishReason: finishReason ?? 'aborted',
    seed: null,
    score: null,
  };
}

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};
const unit = (x: Float32Array): Float64Array => {
  const wide = Float64Array.from(x);
  const norm = Math.sqrt(dot(wide, wide));
  return wide.map((v) => v / norm);
};
