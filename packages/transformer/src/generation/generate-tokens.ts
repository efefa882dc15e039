// Token-level generation: the loop that runs a model on its own output, for a batch of prompts at once.
import { argMax, draw } from '../samplers/pick.ts';
import { topCandidates } from '../samplers/top-candidates.ts';
import { assisted } from './assisted.ts';
import { searchBeams } from './beam-search.ts';
import { checkPrompts } from './check-prompts.ts';
import { contrastive } from './contrastive.ts';
import type { Decoder } from './decoder.ts';
import { logSumExp } from './log-sum-exp.ts';
import { generationSettings, type GenerateOptions, type Settings } from './options.ts';
import { sampleStream } from './random.ts';
import type { FinishReason, GeneratedSequence, GeneratedToken } from './tokens.ts';

/** {@link GenerateOptions} for tokens; stop strings need the tokenizer and belong to generateText. */
export interface GenerateTokensOptions extends Omit<GenerateOptions, 'stop'> {
  /**
   * Called once for each new token that did not end its sequence, in order within a row; answering true ends the row with
   * finish reason 'stop', the token being its last.
   */
  readonly stopWhen?: ((token: { readonly row: number; readonly id: number }) => boolean) | undefined;
}

type StopWhen = NonNullable<GenerateTokensOptions['stopWhen']>;

/** A sequence in the making. */
interface Row {
  readonly row: number;
  readonly prompt: number;
  readonly promptLength: number;
  /** The most tokens to generate. */
  readonly limit: number;
  readonly seed: number | null;
  readonly uniform: () => number;
  /** The prompt and what was generated. */
  readonly ids: number[];
  /** The first of them that the model sees; above 0 once the context has shifted. */
  begin: number;
  readonly logprobs: number[];
  finishReason: FinishReason | null;
}

/**
 * Continues each prompt token by token, the whole batch in step: every token is given out as soon as it is known, rows in
 * order. A row that ends leaves the batch, and the rest go on without it. Every row's tokens depend on its own prompt, the
 * options and its seed only, so that a batch gives what its prompts give alone.
 *
 * With `numBeams` above 1 the tokens come at the end of the search, sequence by sequence.
 *
 * @param decoder the model; driven by one generation at a time, and left open.
 * @param prompts token ids, one or more for each prompt, no more than the context holds.
 * @returns an iterator of tokens whose return value is the sequences (see `collect`). Together a prompt and what is generated
 *   never exceed the context, unless it shifts. Aborting ends the iteration without an error; unfinished sequences are then 'aborted'.
 * @throws at once, before any work, where an option or a prompt is refused.
 */
export function generateTokens(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  { stopWhen: asked = () => false, ...options }: GenerateTokensOptions = {},
): AsyncGenerator<GeneratedToken, GeneratedSequence[], undefined> {
  const settings = generationSettings(options, 'generateTokens');
  if (settings.stop.length)
    throw new Error('generateTokens: stop needs the tokenizer; use generateText, or stopWhen for ids');
  checkPrompts(prompts, decoder, 'generateTokens');
  if (Array.isArray(settings.seed) && settings.seed.length !== prompts.length)
    throw new Error(
      `generateTokens: ${settings.seed.length} seeds for ${prompts.length} prompts; needs one each, or one number`,
    );
  const stopWhen = settings.constraint ? orEnd(asked, settings.constraint) : asked;
  if (settings.draft) return assisted(decoder, prompts, settings, settings.draft, stopWhen);
  if (settings.contrast) return contrastive(decoder, prompts, settings, settings.contrast, stopWhen);
  return settings.numBeams > 1
    ? afterSearch(decoder, prompts, settings, stopWhen)
    : oneByOne(decoder, prompts, settings, stopWhen);
}

// A row also ends where its text is whole and nothing can follow.
function orEnd(asked: StopWhen, constraint: NonNullable<Settings['constraint']>): StopWhen {
  const rows = new Map<number, number[]>();
  return ({ row, id }) => {
    const ids = rows.get(row) ?? [];
    rows.set(row, ids);
    ids.push(id);
    const stops = asked({ row, id });
    return constraint.isEnd(ids) || stops;
  };
}

async function* oneByOne(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  settings: Settings,
  stopWhen: StopWhen,
): AsyncGenerator<GeneratedToken, GeneratedSequence[], undefined> {
  const { numReturnSequences: samples, signal } = settings;
  const { vocabularySize: V, contextLength } = decoder;
  const fresh = Math.floor(Math.random() * 2 ** 32);
  const rows = prompts.flatMap((prompt, p) =>
    Array.from({ length: samples }, (_, sample): Row => {
      const given = settings.seed ?? fresh;
      const seed = settings.sample ? (typeof given === 'number' ? given : given[p]!) : null;
      const room = settings.contextShift ? Infinity : contextLength - prompt.length;
      const limit = Math.min(settings.maxNewTokens, room);
      return {
        row: p * samples + sample,
        prompt: p,
        promptLength: prompt.length,
        limit,
        seed,
        uniform: seed === null ? () => 0 : sampleStream(seed, sample),
        ids: [...prompt],
        begin: 0,
        logprobs: [],
        finishReason: limit ? null : 'length',
      };
    }),
  );
  const scratch = settings.processors.length ? new Float32Array(V) : null;

  let active = rows.filter((row) => row.finishReason === null);
  let logits: Float32Array | null = null;
  let size = 0; // rows in the decoder
  let from: number[] = []; // which of them each active row is
  // Runs the decoder; null where that was aborted.
  const run = async (work: () => Promise<Float32Array>): Promise<Float32Array | null> => {
    try {
      if (signal?.aborted) return null;
      const result = await work();
      return signal?.aborted ? null : result;
    } catch (error) {
      if (signal?.aborted) return null;
      throw error;
    }
  };

  if (active.length) {
    // Samples of one prompt share its first pass.
    const distinct = [...new Set(active.map((row) => row.prompt))];
    logits = await run(() =>
      decoder.prefill(
        distinct.map((p) => prompts[p]!),
        signal ?? undefined,
      ),
    );
    size = distinct.length;
    from = active.map((row) => distinct.indexOf(row.prompt));
  }
  while (logits) {
    const tokens: GeneratedToken[] = [];
    for (const [i, row] of active.entries())
      tokens.push(
        advance(row, logits.subarray(from[i]! * V, (from[i]! + 1) * V), {
          normalizer: decoder.normalizers?.[from[i]!],
          scratch,
          settings,
          stopWhen,
        }),
      );
    from = from.filter((_, i) => active[i]!.finishReason === null);
    active = active.filter((row) => row.finishReason === null);
    yield* tokens;
    if (!active.length) break;
    // A row whose context is full goes on from the last half of it. Keys hold their positions, so all is read anew.
    const full = active.filter((row) => row.ids.length - row.begin > contextLength);
    for (const row of full) row.begin = row.ids.length - Math.ceil(contextLength / 2);
    logits = await run(() => {
      if (full.length) {
        size = active.length;
        from = active.map((_, i) => i);
        return decoder.prefill(
          active.map((row) => row.ids.slice(row.begin)),
          signal ?? undefined,
        );
      }
      if (from.length !== size || from.some((row, i) => row !== i)) decoder.reorder(from);
      size = from.length;
      from = from.map((_, i) => i);
      return decoder.step(
        active.map((row) => row.ids.at(-1)!),
        signal ?? undefined,
      );
    });
  }
  return rows.map(({ row, prompt, promptLength, ids, logprobs, finishReason, seed }): GeneratedSequence => ({
    row,
    prompt,
    promptLength,
    ids: ids.slice(promptLength),
    logprobs,
    finishReason: finishReason ?? 'aborted',
    seed,
    score: null,
  }));
}

interface Advance {
  /** ln Σ exp of the logits, where the decoder knows it. */
  readonly normalizer: number | undefined;
  readonly scratch: Float32Array | null;
  readonly settings: Settings;
  readonly stopWhen: StopWhen;
}

/** Picks a row's next token from the logits (V) after its last one. */
function advance(
  row: Row,
  logits: Float32Array,
  { normalizer: given = NaN, scratch, settings, stopWhen }: Advance,
): GeneratedToken {
  // What isn't a number is computed again, and refused there.
  const normaliser = Number.isFinite(given) ? given : logSumExp(logits);
  let scores = logits;
  if (scratch) {
    scratch.set(logits);
    scores = scratch;
    for (const process of settings.processors) process(scratch, { ids: row.ids, promptLength: row.promptLength });
  }
  const id = settings.sample ? draw(scores, row.uniform()) : argMax(scores);
  const logprob = logits[id]! - normaliser;
  const step = row.logprobs.length;
  row.ids.push(id);
  row.logprobs.push(logprob);
  if (settings.eosTokenIds.includes(id)) row.finishReason = 'eos';
  else if (stopWhen({ row: row.row, id })) row.finishReason = 'stop';
  else if (step + 1 === row.limit) row.finishReason = 'length';
  const alternatives = Array.from(topCandidates(logits, settings.logprobs), (other) => ({
    id: other,
    logprob: logits[other]! - normaliser,
  }));
  return { row: row.row, step, id, logprob, finishReason: row.finishReason, alternatives };
}

/** The tokens of what beam search found. Beams don't see `stopWhen`: their sequences are cut where it says so. */
async function* afterSearch(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  settings: Settings,
  stopWhen: StopWhen,
): AsyncGenerator<GeneratedToken, GeneratedSequence[], undefined> {
  const results: GeneratedSequence[] = [];
  for (const found of await searchBeams(decoder, prompts, settings)) {
    const { row, finishReason } = found;
    const ids: number[] = [];
    let stopped = false;
    for (const [step, id] of found.ids.entries()) {
      if (stopped) break;
      ids.push(id);
      const last = step === found.ids.length - 1;
      stopped = !(last && finishReason === 'eos') && stopWhen({ row, id });
      const end = stopped ? 'stop' : last && finishReason !== 'aborted' ? finishReason : null;
      yield { row, step, id, logprob: found.logprobs[step]!, finishReason: end, alternatives: [] };
    }
    const logprobs = found.logprobs.slice(0, ids.length);
    results.push({ ...found, ids, logprobs, finishReason: stopped ? 'stop' : finishReason });
  }
  return results;
}
