// Speculative decoding (Leviathan, Kalman and Matias, 2023; Chen et al., 2023): a small model guesses some tokens ahead, the
// large one checks all of them in one pass and keeps those that it would have given itself.
import { argMax, draw } from '../samplers/pick.ts';
import { topCandidates } from '../samplers/top-candidates.ts';
import type { Decoder } from './decoder.ts';
import { logSumExp } from './log-sum-exp.ts';
import type { Settings } from './options.ts';
import { sampleStream } from './random.ts';
import type { FinishReason, GeneratedSequence, GeneratedToken } from './tokens.ts';

/** A sequence that was written with a draft's help. */
export interface AssistedSequence extends GeneratedSequence {
  /** How many tokens the draft guessed, and how many of them were right. */
  readonly drafted: number;
  readonly accepted: number;
}

type StopWhen = (token: { readonly row: number; readonly id: number }) => boolean;

/**
 * Continues one prompt. Without sampling the tokens are exactly those without a draft. With sampling a guess is kept with
 * probability min(1, p/q), p and q being what the model and the draft gave it, and otherwise replaced by a draw from
 * max(0, p - q): the tokens are distributed as without a draft, though the same seed gives other ones.
 */
export async function* assisted(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  settings: Settings,
  { decoder: draft, tokens: most }: NonNullable<Settings['draft']>,
  stopWhen: StopWhen,
): AsyncGenerator<GeneratedToken, AssistedSequence[], undefined> {
  if (prompts.length !== 1 || settings.numReturnSequences !== 1)
    throw new Error(`generateTokens: ${prompts.length} prompts with a draft; it helps one at a time`);
  for (const [who, one] of [['the model', decoder] as const, ['the draft', draft] as const])
    if (!one.stepMany || !one.truncate) throw new Error(`generateTokens: ${who} can't take several tokens at once`);
  if (draft.vocabularySize !== decoder.vocabularySize)
    throw new Error(
      `generateTokens: the draft's vocabulary has ${draft.vocabularySize} tokens, and the model's ${decoder.vocabularySize}; needs the same one`,
    );
  const [prompt] = prompts as [readonly number[]];
  const V = decoder.vocabularySize;
  const signal = settings.signal ?? undefined;
  const context = decoder.contextLength;
  const limit = Math.min(settings.maxNewTokens, context - prompt.length);
  const given = settings.seed ?? Math.floor(Math.random() * 2 ** 32);
  const seed = settings.sample ? (typeof given === 'number' ? given : given[0]!) : null;
  const uniform = seed === null ? () => 0 : sampleStream(seed);
  const ids = [...prompt];
  const logprobs: number[] = [];
  let finishReason: FinishReason | null = limit > 0 ? null : 'length';
  let [drafted, accepted] = [0, 0];

  // The scores that a token is picked by, after `history`.
  const scored = (logits: Float32Array, history: readonly number[]): Float32Array => {
    const scores = logits.slice();
    for (const process of settings.processors) process(scores, { ids: history, promptLength: prompt.length });
    return scores;
  };
  const probabilities = (scores: Float32Array): Float64Array => {
    const normaliser = logSumExp(scores);
    return Float64Array.from(scores, (score) => Math.exp(score - normaliser));
  };
  /** Takes a token on; `logits` are the model's own before it. */
  const take = (id: number, logits: Float32Array): GeneratedToken => {
    const normaliser = logSumExp(logits);
    const logprob = logits[id]! - normaliser;
    const step = logprobs.length;
    ids.push(id);
    logprobs.push(logprob);
    if (settings.eosTokenIds.includes(id)) finishReason = 'eos';
    else if (stopWhen({ row: 0, id })) finishReason = 'stop';
    else if (step + 1 === limit) finishReason = 'length';
    const alternatives = Array.from(topCandidates(logits, settings.logprobs), (other) => ({
      id: other,
      logprob: logits[other]! - normaliser,
    }));
    return { row: 0, step, id, logprob, finishReason, alternatives };
  };
  const sequence = (): AssistedSequence[] => [
    {
      row: 0,
      prompt: 0,
      promptLength: prompt.length,
      ids: ids.slice(prompt.length),
      logprobs,
      finishReason: finishReason ?? 'aborted',
      seed,
      score: null,
      drafted,
      accepted,
    },
  ];

  try {
    if (finishReason !== null || signal?.aborted) return sequence();
    const first = (await decoder.prefill([prompt], signal)).slice(0, V);
    const scores = scored(first, ids);
    yield take(settings.sample ? draw(scores, uniform()) : argMax(scores), first);
    let known = 0; // tokens that the draft has read
    while (finishReason === null && !signal?.aborted) {
      // Both models have read all but the last token, the draft perhaps less.
      // A draft that sees less than the model helps up to there.
      const reach = Math.max(0, Math.min(context, draft.contextLength) - ids.length);
      const room = Math.min(most, limit - logprobs.length - 1, reach);
      const guesses: number[] = [];
      const odds: Float64Array[] = [];
      for (let i = 0; i < room; i++) {
        const history = [...ids, ...guesses];
        const logits = known
          ? await draft.stepMany!([history.slice(known)], signal)
          : await draft.prefill([history], signal);
        known = history.length;
        const own = scored(logits.slice(-V), history);
        if (settings.sample) odds.push(probabilities(own));
        const guess = settings.sample ? draw(own, uniform()) : argMax(own);
        guesses.push(guess);
        // Nothing comes after an end.
        const isEnd = settings.constraint?.isEnd([...history.slice(prompt.length), guess]);
        if (settings.eosTokenIds.includes(guess) || isEnd) break;
      }
      const before = ids.length;
      const all = (await decoder.stepMany!([[ids.at(-1)!, ...guesses]], signal)).slice();
      drafted += guesses.length;
      const tokens: GeneratedToken[] = [];
      for (let i = 0; i <= guesses.length && finishReason === null; i++) {
        const logits = all.subarray(i * V, (i + 1) * V);
        const own = scored(logits, ids);
        const guess = guesses[i];
        const { id, isGuess } = settings.sample
          ? choose(own, guess, odds[i], { uniform, probabilities })
          : { id: argMax(own), isGuess: argMax(own) === guess };
        tokens.push(take(id, logits));
        if (!isGuess) break;
        accepted++;
      }
      // What was guessed wrongly is forgotten.
      decoder.truncate!([ids.length - 1]);
      known = Math.min(known, before + tokens.length - 1);
      if (known) draft.truncate!([known]);
      yield* tokens;
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
  return sequence();
}

/** Keeps a guess, or draws what takes its place. */
function choose(
  scores: Float32Array,
  guess: number | undefined,
  q: Float64Array | undefined,
  {
    uniform,
    probabilities,
  }: { readonly uniform: () => number; readonly probabilities: (scores: Float32Array) => Float64Array },
): { id: number; isGuess: boolean } {
  if (guess === undefined || !q) return { id: draw(scores, uniform()), isGuess: false };
  const p = probabilities(scores);
  if (uniform() * q[guess]! < p[guess]!) return { id: guess, isGuess: true };
  const rest = Float32Array.from(p, (value, id) => Math.log(Math.max(0, value - q[id]!)));
  return { id: draw(rest, uniform()), isGuess: false };
}
