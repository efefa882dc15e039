// Beam search (Lowerre, 1976) with the results of Hugging Face's beam_search and BeamSearchScorer (transformers 4.38).
import { topCandidates } from '../samplers/top-candidates.ts';
import { BeamHypotheses } from './beam-hypotheses.ts';
import { checkPrompts } from './check-prompts.ts';
import type { Decoder } from './decoder.ts';
import { logSumExp } from './log-sum-exp.ts';
import { generationSettings, type GenerateOptions, type Settings } from './options.ts';
import type { FinishReason, GeneratedSequence } from './tokens.ts';

/** What a search needs of the settings; no stop strings, which beams do not see. */
export type BeamSearchOptions = Omit<GenerateOptions, 'stop'>;

interface Beam {
  /** The prompt and what was generated. */
  readonly ids: readonly number[];
  /** Of the generated tokens, by the model's own logits. */
  readonly logprobs: readonly number[];
  /** Sum of processed log-probabilities, rounded to float32 at each token as in the reference. */
  readonly score: number;
  /** Which row of the decoder it goes on from. */
  readonly from: number;
}

interface Search {
  readonly prompt: number;
  readonly promptLength: number;
  /** The most tokens that can be generated. */
  readonly limit: number;
  readonly hypotheses: BeamHypotheses<{
    ids: readonly number[];
    logprobs: readonly number[];
    finishReason: FinishReason;
  }>;
  beams: Beam[];
  done: boolean;
}

/**
 * The `numReturnSequences` best sequences that a search with `numBeams` beams finds for each prompt: one after another,
 * prompt by prompt, best first.
 *
 * Each step scores every token after every beam (log-softmax, then the processors, then the beam's own sum), takes the best
 * candidates over all beams, sets those aside that end with an end token among the first `numBeams`, and goes on with the
 * best others. A finished sequence ends with the first of `eosTokenIds`, whichever it was, as the reference writes it. What
 * still runs at the end of `maxNewTokens` or of the context competes as it is. Prompts do not influence each other.
 *
 * @param options as for generation; numBeams must be above 1.
 * @throws before any work where an option or a prompt is refused. Aborting gives the best sequences so far.
 */
export async function beamSearch(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  options: BeamSearchOptions,
): Promise<GeneratedSequence[]> {
  const settings = generationSettings(options, 'beamSearch');
  if (settings.numBeams < 2) throw new Error('beamSearch: numBeams is 1; needs 2 or more. For one, see generateTokens');
  if (settings.stop.length) throw new Error('beamSearch: stop needs the tokenizer; see generateText');
  checkPrompts(prompts, decoder, 'beamSearch');
  return searchBeams(decoder, prompts, settings);
}

/** {@link beamSearch} with settings and prompts that were checked. */
export async function searchBeams(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  settings: Settings,
): Promise<GeneratedSequence[]> {
  const { numBeams, numReturnSequences, lengthPenalty, earlyStopping, signal } = settings;
  const V = decoder.vocabularySize;
  const endings = settings.eosTokenIds.filter((id) => id < V).length;
  if (endings >= V)
    throw new Error(`beamSearch: all ${V} tokens of the vocabulary end a sequence; needs one that does not`);
  const searches = prompts.map((prompt, p): Search => {
    const limit = Math.min(settings.maxNewTokens, decoder.contextLength - prompt.length);
    return {
      prompt: p,
      promptLength: prompt.length,
      limit,
      hypotheses: new BeamHypotheses({ size: numBeams, lengthPenalty, earlyStopping, maxLength: limit }),
      // All beams start equal, so that only the first may be followed from the first token on.
      beams: Array.from({ length: numBeams }, (_, b) => ({ ids: prompt, logprobs: [], score: b ? -1e9 : 0, from: p })),
      done: limit === 0,
    };
  });

  let live = searches.filter((search) => !search.done);
  try {
    if (live.length && !signal?.aborted) {
      let logits = await decoder.prefill(
        live.map((search) => prompts[search.prompt]!),
        signal ?? undefined,
      );
      let rows = live.length;
      live.forEach((search, i) => (search.beams = search.beams.map((beam) => ({ ...beam, from: i }))));
      while (!signal?.aborted) {
        for (const search of live) advance(search, logits, V, settings, endings);
        live = live.filter((search) => !search.done && search.beams[0]!.logprobs.length < search.limit);
        if (!live.length) break;
        const beams = live.flatMap((search) => search.beams);
        const order = beams.map((beam) => beam.from);
        if (order.length !== rows || order.some((from, i) => from !== i)) decoder.reorder(order);
        rows = order.length;
        live.forEach(
          (search, s) => (search.beams = search.beams.map((beam, b) => ({ ...beam, from: s * numBeams + b }))),
        );
        logits = await decoder.step(
          beams.map((beam) => beam.ids.at(-1)!),
          signal ?? undefined,
        );
      }
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  }

  return searches.flatMap((search) => {
    const { prompt, promptLength, limit, hypotheses } = search;
    if (!search.done || limit === 0) {
      for (const { ids, logprobs, score } of search.beams) {
        const finishReason = logprobs.length < limit ? 'aborted' : 'length';
        hypotheses.add({ ids: ids.slice(promptLength), logprobs, finishReason }, score, logprobs.length);
      }
    }
    const first = prompt * numReturnSequences;
    return hypotheses.best(numReturnSequences).map(({ value, score }, i): GeneratedSequence => ({
      ...value,
      row: first + i,
      prompt,
      promptLength,
      seed: null,
      score,
    }));
  });
}

/** One token further for all beams of a search. */
function advance(search: Search, logits: Float32Array, V: number, settings: Settings, endings: number): void {
  const { numBeams, processors, eosTokenIds } = settings;
  const { beams, promptLength, hypotheses } = search;
  const scores = new Float32Array(numBeams * V);
  const normalisers = beams.map(({ ids, score, from }, b) => {
    const raw = logits.subarray(from * V, (from + 1) * V);
    const row = scores.subarray(b * V, (b + 1) * V);
    const normaliser = logSumExp(raw);
    for (let id = 0; id < V; id++) row[id] = raw[id]! - normaliser;
    for (const process of processors) process(row, { ids, promptLength });
    for (let id = 0; id < V; id++) row[id]! += score;
    return normaliser;
  });
  // Each beam can end in `endings` ways, so among these are as many that go on as there are beams.
  const candidates = topCandidates(scores, Math.max(2, 1 + endings) * numBeams);
  const length = beams[0]!.logprobs.length + 1;
  const next: Beam[] = [];
  for (let rank = 0; rank < candidates.length && next.length < numBeams; rank++) {
    const candidate = candidates[rank]!;
    const b = Math.floor(candidate / V);
    const id = candidate % V;
    const { ids, logprobs, from } = beams[b]!;
    const score = scores[candidate]!;
    const token = logits[from * V + id]! - normalisers[b]!;
    if (!eosTokenIds.includes(id)) next.push({ ids: [...ids, id], logprobs: [...logprobs, token], score, from });
    else if (rank < numBeams)
      hypotheses.add(
        { ids: [...ids.slice(promptLength), eosTokenIds[0]!], logprobs: [...logprobs, token], finishReason: 'eos' },
        score,
        length,
      );
  }
  search.beams = next;
  search.done = hypotheses.isDone(scores[candidates[0]!]!, length);
}
