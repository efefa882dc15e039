// The flags of lm generate, with the names that users of Hugging Face and llama.cpp know.
import { adapterFlag } from './adapted-model.ts';
import { decoderFlags, type DecoderArgs } from './decoder-flags.ts';
import { engineFlags } from './engine-flags.ts';
import { usage } from './errors.ts';
import { flags } from './flags.ts';
import type { generationOptions } from './generation-config.ts';
import { standardModel } from './model-folder.ts';
import { modelFlags, type ModelArgs } from './open-model.ts';

/** What the flags hold. */
export interface GenerateArgs extends DecoderArgs, ModelArgs {
  readonly text: readonly string[];
  readonly prompt?: readonly string[];
  readonly file?: readonly string[];
  readonly maxNewTokens?: number;
  readonly contextShift: boolean;
  readonly greedy: boolean;
  readonly doSample?: boolean;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly blockNgramSize?: number;
  readonly minNewTokens?: number;
  readonly penaltyAlpha?: number;
  readonly draftModel?: string;
  readonly adapter?: string;
  readonly regex?: string;
  readonly jsonSchema?: string;
  readonly draftTokens?: number;
  readonly numBeams?: number;
  readonly lengthPenalty?: number;
  readonly earlyStopping?: boolean;
  readonly numReturnSequences?: number;
  readonly stop?: readonly string[];
  readonly seed?: number;
  readonly echo: boolean;
  readonly logprobs?: number;
  readonly json: boolean;
  readonly verbose: boolean;
}

/** Tokens to add where neither the command line nor the model says how many. */
export const tokensUnlessGiven = 200;

/** How tokens are drawn. */
export const samplingFlags: ReturnType<typeof flags> = flags('Sampling', {
  'max-new-tokens': {
    type: 'number',
    alias: ['n', 'n-predict', 'predict'],
    min: 0,
    whole: true,
    describe: `most tokens to add (${tokensUnlessGiven} unless the model says otherwise)`,
  },
  temperature: {
    type: 'number',
    alias: 'temp',
    min: 0,
    describe: 'below 1 improbable tokens are rarer; 0 always takes the most probable',
  },
  'top-k': { type: 'number', min: 0, whole: true, describe: 'only the k most probable tokens; 0 for all' },
  'top-p': { type: 'number', above: 0, max: 1, describe: 'only the most probable tokens that together reach p' },
  'min-p': { type: 'number', min: 0, max: 1, describe: 'only tokens with at least p times the largest probability' },
  'do-sample': {
    type: 'switch',
    describe: 'draw tokens by probability; follows from the flags above unless given',
  },
  greedy: { type: 'switch', default: false, describe: 'always take the most probable token' },
  'repetition-penalty': {
    type: 'number',
    alias: 'repeat-penalty',
    above: 0,
    describe: 'above 1 makes tokens less probable that were there before',
  },
  'presence-penalty': { type: 'number', describe: 'taken off the logits of tokens generated before' },
  'frequency-penalty': { type: 'number', describe: 'taken off for each time that they were generated' },
  'block-ngram-size': {
    type: 'number',
    min: 0,
    whole: true,
    describe: 'no run of so many tokens occurs twice; also as --no-repeat-ngram-size',
  },
  'min-new-tokens': { type: 'number', min: 0, whole: true, describe: 'no end before so many tokens' },
  'num-return-sequences': { type: 'number', min: 1, whole: true, describe: 'texts for each prompt' },
  stop: { type: 'texts', describe: 'ends a text and is left out; several times for several' },
  seed: {
    type: 'number',
    alias: 's',
    min: 0,
    whole: true,
    describe: 'the same seed gives the same text; random unless given',
  },
  'context-shift': {
    type: 'switch',
    default: false,
    describe: 'go on when the context is full, from the last half of it',
  },
});

/** All flags of the command. */
export const generateFlags: ReturnType<typeof flags> = {
  ...modelFlags(standardModel),
  ...adapterFlag,
  ...flags('Input', {
    prompt: { type: 'texts', alias: 'p', describe: 'a prompt; several times for several, which run as one batch' },
    file: { type: 'texts', alias: 'f', describe: 'a file with a prompt; several times for several' },
  }),
  ...samplingFlags,
  ...flags('Beam search', {
    'num-beams': {
      type: 'number',
      min: 1,
      whole: true,
      describe: 'search for the most probable text with so many beams',
    },
    'length-penalty': { type: 'number', describe: 'above 0 favours long texts' },
    'early-stopping': { type: 'switch', describe: 'stop at once when as many texts as beams are finished' },
  }),
  ...flags('Other searches', {
    'penalty-alpha': {
      type: 'number',
      min: 0,
      max: 1,
      describe: 'contrastive search: weigh the --top-k most probable tokens by how new they are',
    },
    'draft-model': {
      type: 'text',
      describe: 'a small model with the same vocabulary that guesses ahead; the text is the same, sooner',
    },
    regex: { type: 'text', describe: 'the text must match this regular expression as a whole' },
    'json-schema': {
      type: 'text',
      describe: 'the text must be JSON that this schema allows: a file, or the schema itself; {} for any JSON',
    },
    'draft-tokens': { type: 'number', min: 1, whole: true, describe: 'tokens that it guesses at a time (5)' },
  }),
  ...flags('Output', {
    echo: { type: 'switch', default: true, describe: 'print the prompt first; --no-echo leaves it out' },
    json: {
      type: 'switch',
      default: false,
      describe: 'a line of JSON for each text: ids, log-probabilities, why it ended',
    },
    logprobs: { type: 'number', min: 0, whole: true, describe: 'with --json: so many alternatives of each token' },
    verbose: { type: 'switch', alias: 'v', default: false, describe: 'tell times on stderr, also where it is a file' },
  }),
  ...engineFlags,
  ...decoderFlags,
};

/** The settings that were given, by their names in the library. @throws where they contradict each other. */
export function askedSettings(a: GenerateArgs): Parameters<typeof generationOptions>[0] {
  if (a.logprobs !== undefined && !a.json) throw usage('--logprobs shows in --json only', 'the same with --json');
  if (a.greedy) {
    const chance = (['temperature', 'topK', 'topP', 'minP', 'doSample'] as const).find((name) => a[name]);
    if (chance !== undefined)
      throw usage(
        `--greedy takes the most probable token, but --${chance.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} was given too`,
        'leave one of them out',
      );
  }
  return {
    maxNewTokens: a.maxNewTokens,
    contextShift: a.contextShift || undefined,
    doSample: a.greedy ? false : a.doSample,
    temperature: a.temperature,
    topK: a.topK,
    topP: a.topP,
    minP: a.minP,
    repetitionPenalty: a.repetitionPenalty,
    presencePenalty: a.presencePenalty,
    frequencyPenalty: a.frequencyPenalty,
    noRepeatNgramSize: a.blockNgramSize,
    minNewTokens: a.minNewTokens,
    penaltyAlpha: a.penaltyAlpha,
    draftTokens: a.draftTokens,
    numBeams: a.numBeams,
    lengthPenalty: a.lengthPenalty,
    earlyStopping: a.earlyStopping,
    numReturnSequences: a.numReturnSequences,
    stop: a.stop,
    seed: a.seed,
    logprobs: a.logprobs,
  };
}
