// The settings of generation, with Hugging Face's meaning and camelCase names, checked before any work is done.
import type { Constraint } from '../constraints/constraint.ts';
import { checkNumber } from '../samplers/check.ts';
import { frequencyPenalty } from '../samplers/frequency-penalty.ts';
import type { LogitsProcessor } from '../samplers/logits-processor.ts';
import { minLength } from '../samplers/min-length.ts';
import { minP } from '../samplers/min-p.ts';
import { noRepeatNgram } from '../samplers/no-repeat-ngram.ts';
import { presencePenalty } from '../samplers/presence-penalty.ts';
import { repetitionPenalty } from '../samplers/repetition-penalty.ts';
import { badWords } from '../samplers/sequence-bias.ts';
import { temperature } from '../samplers/temperature.ts';
import { topK } from '../samplers/top-k.ts';
import { topP } from '../samplers/top-p.ts';
import type { Decoder } from './decoder.ts';
import { nearest } from './nearest.ts';

/** How to generate. Every field may be left out. */
export interface GenerateOptions {
  /** Most tokens to generate for each sequence (default 128). The end of the context also ends it, unless it shifts. */
  readonly maxNewTokens?: number | undefined;
  /**
   * What a full context does: false ends the sequence; true goes on from the last half of it, which the model reads anew, and
   * what stood before is forgotten (default false).
   */
  readonly contextShift?: boolean | undefined;
  /**
   * Whether to draw tokens by probability instead of taking the most probable. By default it follows from the rest: true
   * where a temperature above 0, top-k, top-p or min-p is set. `false` takes the most probable whatever they say.
   */
  readonly doSample?: boolean | undefined;
  /** Divides the logits; 0 always takes the most probable token (default 1). */
  readonly temperature?: number | undefined;
  /** Only the k most probable tokens; 0 is off (default off). */
  readonly topK?: number | undefined;
  /** Only the most probable tokens that together reach p, above 0; 1 is off (default off). */
  readonly topP?: number | undefined;
  /** Only tokens with at least p times the largest probability; 0 is off (default off). */
  readonly minP?: number | undefined;
  /** Above 1 makes tokens of the prompt and the text so far less probable (default 1). */
  readonly repetitionPenalty?: number | undefined;
  /** Taken off the logit of tokens generated before (default 0). */
  readonly presencePenalty?: number | undefined;
  /** Taken off the logit of tokens for each time they were generated (default 0). */
  readonly frequencyPenalty?: number | undefined;
  /** No run of so many tokens occurs twice in a row, its prompt included; 0 is off (default off). */
  readonly noRepeatNgramSize?: number | undefined;
  /** Sequences of tokens that never occur (default none). */
  readonly badWordsIds?: readonly (readonly number[])[] | undefined;
  /** No end token before so many were generated (default 0). */
  readonly minNewTokens?: number | undefined;
  /**
   * Contrastive search (Su et al., 2022) over the topK most probable tokens: each is weighed by (1 - α) times its probability
   * minus α times how alike it is to what was there before. Needs a decoder that keeps hidden states; 0 is off (default off).
   */
  readonly penaltyAlpha?: number | undefined;
  /**
   * A small model with the same vocabulary that guesses tokens ahead (speculative decoding: Leviathan et al., 2023). The tokens
   * are those without it, in fewer passes; one prompt at a time (default none).
   */
  readonly draft?: Decoder | undefined;
  /** How many tokens the draft guesses at a time (default 5). */
  readonly draftTokens?: number | undefined;
  /**
   * What the text must be: a regular expression or a JSON Schema (`regexConstraint`, `jsonSchemaConstraint`). It is, unless the
   * most new tokens or the context cut it (finish reason 'length').
   */
  readonly constraint?: Constraint | undefined;
  /** More processors, run after the penalties and before the temperature. */
  readonly processors?: readonly LogitsProcessor[] | undefined;
  /**
   * A whole number from 0 to 2^53 - 1, or one for each prompt; random unless given. The same seed gives the same text, and a
   * prompt in a batch the same as alone. Equal prompts with one seed give equal texts: for several, see numReturnSequences.
   */
  readonly seed?: number | readonly number[] | undefined;
  /** Texts that end a sequence; neither they nor what follows is given out. Needs the tokenizer: generateText. */
  readonly stop?: string | readonly string[] | undefined;
  /** Tokens that end a sequence (default none). The end token is part of the ids but not of the text. */
  readonly eosTokenIds?: number | readonly number[] | undefined;
  /** Above 1 searches for the most probable sequence with that many beams (default 1). */
  readonly numBeams?: number | undefined;
  /** Beams are compared by log-probability / length^lengthPenalty: above 0 favours long ones (default 1). */
  readonly lengthPenalty?: number | undefined;
  /**
   * When to stop a beam search that has numBeams finished sequences: `true` at once, `false` when a better one is unlikely,
   * `'never'` when a better one is impossible (default false).
   */
  readonly earlyStopping?: boolean | 'never' | undefined;
  /** How many sequences for each prompt: samples, or the best of the beams (default 1). */
  readonly numReturnSequences?: number | undefined;
  /** With each token, that many most probable alternatives (default 0). */
  readonly logprobs?: number | undefined;
  /** Ends generation between two tokens; what was generated until then is kept. */
  readonly signal?: AbortSignal | undefined;
}

/** Checked options with every default filled in. */
export interface Settings {
  readonly maxNewTokens: number;
  readonly contextShift: boolean;
  readonly sample: boolean;
  /** What changes the logits, in Hugging Face's order. */
  readonly processors: readonly LogitsProcessor[];
  readonly seed: number | readonly number[] | null;
  readonly stop: readonly string[];
  /** Without repeats, in the order given. */
  readonly eosTokenIds: readonly number[];
  readonly numBeams: number;
  readonly lengthPenalty: number;
  readonly earlyStopping: boolean | 'never';
  readonly numReturnSequences: number;
  readonly logprobs: number;
  readonly constraint: Constraint | null;
  /** Contrastive search's α and how many candidates it weighs; null where it is off. */
  readonly contrast: { readonly alpha: number; readonly k: number } | null;
  readonly draft: { readonly decoder: Decoder; readonly tokens: number } | null;
  readonly signal: AbortSignal | null;
}

// Every option's name, so that a misspelt one is noticed. The type keeps the list complete.
const known: Record<keyof GenerateOptions, true> = {
  maxNewTokens: true,
  contextShift: true,
  doSample: true,
  temperature: true,
  topK: true,
  topP: true,
  minP: true,
  repetitionPenalty: true,
  presencePenalty: true,
  frequencyPenalty: true,
  noRepeatNgramSize: true,
  badWordsIds: true,
  minNewTokens: true,
  penaltyAlpha: true,
  draft: true,
  draftTokens: true,
  constraint: true,
  processors: true,
  seed: true,
  stop: true,
  eosTokenIds: true,
  numBeams: true,
  lengthPenalty: true,
  earlyStopping: true,
  numReturnSequences: true,
  logprobs: true,
  signal: true,
};

const whole =
  (least: number) =>
  (n: number): boolean =>
    Number.isSafeInteger(n) && n >= least;

/**
 * Checks options and fills in defaults.
 *
 * @param who the function that was called, for errors.
 * @throws at the first option that is unknown, out of range, or contradicts another.
 */
export function generationSettings(options: GenerateOptions, who = 'generate'): Settings {
  for (const name of Object.keys(options))
    if (!Object.hasOwn(known, name)) {
      const meant = nearest(name, Object.keys(known));
      throw new Error(
        `${who}: unknown option ${name}${meant === null ? `; known are ${Object.keys(known).join(', ')}` : `; did you mean ${meant}?`}`,
      );
    }
  const check = (name: keyof GenerateOptions, value: number, ok: (value: number) => boolean, needs: string): number => {
    checkNumber(`${who}: ${name}`, value, ok, needs);
    return value;
  };
  const maxNewTokens = check('maxNewTokens', options.maxNewTokens ?? 128, whole(0), 'a whole number of 0 or more');
  const heat = check(
    'temperature',
    options.temperature ?? 1,
    (t) => t >= 0,
    'a number of 0 (the most probable token) or more',
  );
  const k = check('topK', options.topK ?? 0, whole(0), 'a whole number of 1 or more, or 0 for off');
  const nucleus = check('topP', options.topP ?? 1, (p) => p > 0 && p <= 1, 'a number above 0 and up to 1 (off)');
  const floor = check('minP', options.minP ?? 0, (p) => p >= 0 && p <= 1, 'a number from 0 (off) to 1');
  const repetition = check(
    'repetitionPenalty',
    options.repetitionPenalty ?? 1,
    (p) => p > 0,
    'a number above 0; 1 is off',
  );
  const presence = check('presencePenalty', options.presencePenalty ?? 0, () => true, 'a finite number; 0 is off');
  const frequency = check('frequencyPenalty', options.frequencyPenalty ?? 0, () => true, 'a finite number; 0 is off');
  const numBeams = check('numBeams', options.numBeams ?? 1, whole(1), 'a whole number of 1 or more');
  const lengthPenalty = check('lengthPenalty', options.lengthPenalty ?? 1, () => true, 'a finite number');
  const numReturnSequences = check(
    'numReturnSequences',
    options.numReturnSequences ?? 1,
    whole(1),
    'a whole number of 1 or more',
  );
  const ngram = check(
    'noRepeatNgramSize',
    options.noRepeatNgramSize ?? 0,
    whole(0),
    'a whole number of 0 (off) or more',
  );
  const least = check('minNewTokens', options.minNewTokens ?? 0, whole(0), 'a whole number of 0 or more');
  const alpha = check('penaltyAlpha', options.penaltyAlpha ?? 0, (a) => a >= 0 && a <= 1, 'a number from 0 (off) to 1');
  const draftTokens = check('draftTokens', options.draftTokens ?? 5, whole(1), 'a whole number of 1 or more');
  const logprobs = check(
    'logprobs',
    options.logprobs ?? 0,
    whole(0),
    'a whole number of 0 or more: how many alternatives',
  );

  const {
    contextShift = false,
    earlyStopping = false,
    doSample,
    processors = [],
    seed = null,
    signal = null,
  } = options;
  if (typeof earlyStopping !== 'boolean' && earlyStopping !== 'never')
    throw new TypeError(`${who}: earlyStopping is ${String(earlyStopping)}; needs true, false or 'never'`);
  if (typeof contextShift !== 'boolean')
    throw new TypeError(`${who}: contextShift is ${String(contextShift)}; needs true or false`);
  if (doSample !== undefined && typeof doSample !== 'boolean')
    throw new TypeError(`${who}: doSample is ${String(doSample)}; needs true or false`);
  for (const processor of processors)
    if (typeof processor !== 'function')
      throw new TypeError(`${who}: processors holds ${String(processor)}; needs functions`);
  for (const one of typeof seed === 'number' ? [seed] : (seed ?? []))
    check('seed', one, whole(0), 'a whole number from 0 to 2^53 - 1; leave it out for a random one');
  const eosTokenIds = typeof options.eosTokenIds === 'number' ? [options.eosTokenIds] : (options.eosTokenIds ?? []);
  for (const id of eosTokenIds) check('eosTokenIds', id, whole(0), 'token ids, whole numbers of 0 or more');
  const stop = typeof options.stop === 'string' ? [options.stop] : (options.stop ?? []);
  for (const text of stop) {
    if (typeof text !== 'string' || text === '')
      throw new TypeError(`${who}: stop holds ${JSON.stringify(text)}; needs texts of one character or more`);
    if (/\p{Surrogate}/u.test(text))
      throw new TypeError(
        `${who}: stop holds ${JSON.stringify(text)}, which has half a character (a lone surrogate); it would never occur`,
      );
  }

  // Contrastive search has a use of its own for topK.
  const asked = (options.temperature !== undefined && heat > 0) || (k > 0 && !alpha) || nucleus < 1 || floor > 0;
  const sample = heat > 0 && (doSample ?? asked);
  const { draft = null } = options;
  const ways = [
    ...(alpha > 0 ? ['penaltyAlpha'] : []),
    ...(draft ? ['draft'] : []),
    ...(numBeams > 1 ? ['numBeams'] : []),
    ...(contextShift && (draft || alpha > 0) ? ['contextShift'] : []),
  ];
  if (ways.length > 1) throw new Error(`${who}: ${ways.join(' and ')} don't go together; leave out one`);
  if (alpha > 0 && sample)
    throw new Error(
      `${who}: penaltyAlpha is ${alpha} and sampling is on, but contrastive search draws nothing; leave out one`,
    );
  if (alpha > 0 && k < 2)
    throw new Error(
      `${who}: penaltyAlpha is ${alpha} and topK ${k}; contrastive search weighs the topK most probable tokens: give 2 or more, such as 4`,
    );
  if (numBeams > 1 && sample)
    throw new Error(
      `${who}: numBeams is ${numBeams} and sampling is on (${doSample ? 'doSample: true' : 'by temperature, topK, topP or minP'}), but beams are searched without chance; leave out one, or set doSample: false`,
    );
  if (numBeams > 1 && contextShift)
    throw new Error(
      `${who}: numBeams is ${numBeams} and contextShift true, but beams end with the context; leave out one`,
    );
  if (numBeams > 1 && logprobs > 0)
    throw new Error(
      `${who}: logprobs is ${logprobs} and numBeams ${numBeams}; alternatives are only given without beams`,
    );
  if (numBeams > 1 && numReturnSequences > numBeams)
    throw new Error(
      `${who}: numReturnSequences is ${numReturnSequences}, but there are ${numBeams} beams; needs as many beams or more`,
    );
  if (numBeams === 1 && !sample && numReturnSequences > 1)
    throw new Error(
      `${who}: numReturnSequences is ${numReturnSequences}, but always taking the most probable token gives one sequence; set a temperature or numBeams`,
    );

  const all: LogitsProcessor[] = [];
  if (repetition !== 1) all.push(repetitionPenalty({ penalty: repetition }));
  if (presence !== 0) all.push(presencePenalty({ penalty: presence }));
  if (frequency !== 0) all.push(frequencyPenalty({ penalty: frequency }));
  if (ngram > 0) all.push(noRepeatNgram({ size: ngram }));
  if (options.badWordsIds?.length) all.push(badWords({ words: options.badWordsIds, eosTokenIds }));
  if (least > 0) all.push(minLength({ eosTokenIds, newTokens: least }));
  all.push(...processors);
  if (options.constraint) all.push(options.constraint.process(eosTokenIds));
  if (sample) {
    if (heat !== 1) all.push(temperature({ temperature: heat }));
    if (k > 0) all.push(topK({ k }));
    if (nucleus < 1) all.push(topP({ p: nucleus }));
    if (floor > 0) all.push(minP({ p: floor }));
  }
  return {
    maxNewTokens,
    contextShift,
    sample,
    processors: all,
    seed,
    stop,
    eosTokenIds: [...new Set(eosTokenIds)],
    numBeams,
    lengthPenalty,
    earlyStopping,
    numReturnSequences,
    logprobs,
    constraint: options.constraint ?? null,
    contrast: alpha > 0 ? { alpha, k } : null,
    draft: draft && { decoder: draft, tokens: draftTokens },
    signal,
  };
}
