// Generation by encoder-decoders: sources in, targets out piece by piece (translations, summaries, answers).
import { checkSources, Seq2SeqDecoder } from '../seq2seq-decoder.ts';
import type { LogitsProcessor } from '../samplers/logits-processor.ts';
import type { Decoder } from './decoder.ts';
import { generateText, type GeneratedText, type TextChunk, type TextCodec } from './generate-text.ts';
import { generateTokens, type GenerateTokensOptions } from './generate-tokens.ts';
import type { GenerateOptions } from './options.ts';
import type { GeneratedSequence, GeneratedToken } from './tokens.ts';

/** What targets start with, besides what the files of the model say. */
export interface TargetOptions {
  /** The first tokens of every target, not given out again; the model's `decoder_start_token_id` unless given. */
  readonly startIds?: readonly number[] | undefined;
}

/**
 * Writes the target of each source, token by token, the whole batch in step. Each source is read once, and a row's tokens
 * depend on its own source, the options and its seed only.
 *
 * What isn't asked for is as generation_config.json says: beams, lengths, end tokens, and what is forced or forbidden.
 *
 * @param decoder the model, from `seq2seqDecoder`; driven by one generation at a time, and left open.
 * @param sources token ids of each source, with the end token that the model expects.
 * @returns an iterator of tokens whose return value is the sequences (see `collect`).
 * @throws at once, before any work, where an option or a source is refused.
 */
export function generateTokensFrom(
  decoder: Seq2SeqDecoder,
  sources: readonly (readonly number[])[],
  { stopWhen, ...options }: GenerateTokensOptions & TargetOptions = {},
): AsyncGenerator<GeneratedToken, GeneratedSequence[], undefined> {
  const who = 'generateTokensFrom';
  checkSources(sources, decoder, who);
  const { startIds, others } = settle(decoder, options, { sources, who });
  return generateTokens(
    about(decoder, sources),
    sources.map(() => startIds),
    { ...others, stopWhen },
  );
}

/**
 * Writes the target text of a source text, or of each of several in one batch.
 *
 * @example
 * const model = await loadModel('opus-mt-en-de');
 * const decoder = seq2seqDecoder(model);
 * for await (const { text } of generateFrom(decoder, await model.tokenizer(), 'Good morning!', { numBeams: 4 }))
 *   process.stdout.write(text);
 *
 * @param decoder the model, from `seq2seqDecoder`; driven by one generation at a time, and left open.
 * @param codec the model's tokenizer, which ends sources as the model expects.
 * @param sources one text or several; several are told apart by each chunk's `row`.
 * @returns an iterator of chunks, one for each token, whose texts joined are the row's text. Its return value is the texts
 *   with their finish reasons and tokens (see `collect`). Aborting ends the iteration without an error.
 * @throws at once, before any work, where an option or a source is refused.
 */
export function generateFrom(
  decoder: Seq2SeqDecoder,
  codec: TextCodec,
  sources: string | readonly string[],
  options: GenerateOptions & TargetOptions = {},
): AsyncGenerator<TextChunk, GeneratedText[], undefined> {
  const who = 'generateFrom';
  const texts = typeof sources === 'string' ? [sources] : sources;
  const encoded = texts.map((text, s) => {
    if (typeof text !== 'string') throw new TypeError(`${who}: source ${s} is a ${typeof text}; needs a text`);
    return codec.encode(text).ids;
  });
  checkSources(encoded, decoder, who);
  const { startIds, others } = settle(decoder, options, { sources: encoded, who });
  // A target's prompt is what it starts with, whatever the source says.
  const targets: TextCodec = { encode: () => ({ ids: startIds }), decodeStream: () => codec.decodeStream() };
  return generateText(about(decoder, encoded), targets, texts, others);
}

/** The options with the model's defaults below them. */
function settle(
  { defaults, contextLength }: Seq2SeqDecoder,
  { startIds = defaults.startIds ?? undefined, ...asked }: GenerateOptions & TargetOptions,
  { sources, who }: { readonly sources: readonly (readonly number[])[]; readonly who: string },
): { startIds: readonly number[]; others: GenerateOptions } {
  if (asked.contextShift)
    throw new Error(
      `${who}: contextShift is true, but an encoder-decoder's target can't forget its beginning; leave it out`,
    );
  if (!startIds?.length)
    throw new Error(
      `${who}: neither decoder_start_token_id nor bos_token_id is in the model's files, so it isn't known what a target starts with; give startIds`,
    );
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined)) as GenerateOptions;
  const asksForChance = ['temperature', 'topK', 'topP', 'minP'].some((name) => Object.hasOwn(given, name));
  const samples = given.doSample ?? (asksForChance && given.temperature !== 0);
  const usual = Object.entries(defaults.options).filter(([name, value]) => {
    if (value === undefined) return false;
    // What the files say of beams doesn't hold for those who ask for chance, and the reverse.
    if (samples) return !/^(numBeams|earlyStopping|numReturnSequences)$/.test(name);
    return !((given.numBeams ?? 1) > 1 && /^(doSample|temperature|topK|topP|minP)$/.test(name));
  });
  const merged: GenerateOptions = { ...Object.fromEntries(usual), ...given };
  const { maxNewTokens = 128, eosTokenIds = [], processors = [] } = merged;
  const maxLength = Math.min(startIds.length + maxNewTokens, contextLength);
  const limited =
    (process: LogitsProcessor): LogitsProcessor =>
    (logits, row) =>
      process(logits, { maxLength, ...row });
  const ends = typeof eosTokenIds === 'number' ? [eosTokenIds] : eosTokenIds;
  const all = [...defaults.processors(ends).map(limited), ...processors, ...defaults.last];
  const { draft, penaltyAlpha = 0 } = merged;
  if ((draft || penaltyAlpha > 0) && sources.length > 1)
    throw new Error(
      `${who}: ${sources.length} sources with ${draft ? 'a draft' : 'penaltyAlpha'}, which writes for one at a time; call it for each`,
    );
  // A draft that is an encoder-decoder, too, reads the same source.
  const drafted = draft instanceof Seq2SeqDecoder ? { draft: about(draft, sources) } : {};
  if (draft instanceof Seq2SeqDecoder) checkSources(sources, draft, `${who}: the draft`);
  return { startIds, others: { ...merged, ...drafted, maxNewTokens, processors: all } };
}

/** The decoder, for targets of these sources. */
const about = (decoder: Seq2SeqDecoder, sources: readonly (readonly number[])[]): Decoder => ({
  vocabularySize: decoder.vocabularySize,
  contextLength: decoder.contextLength,
  prefill: (prompts, signal) => {
    decoder.read(sources);
    return decoder.prefill(prompts, signal);
  },
  step: (ids, signal) => decoder.step(ids, signal),
  stepMany: (ids, signal) => decoder.stepMany(ids, signal),
  truncate: (lengths) => decoder.truncate(lengths),
  ...(decoder.keepsStates && { hiddenStates: (row: number) => decoder.hiddenStates(row) }),
  reorder: (order) => decoder.reorder(order),
  dispose: () => decoder.dispose(),
});
