// How an encoder-decoder is meant to write: what generation_config.json says, and config.json where that is older than
// generation_config.json (as Hugging Face's `generate` reads them).
import type { Network } from '@brickwork/nn';
import type { Config } from '../architecture.ts';
import { forcedBos, forcedEos } from '../samplers/forced-token.ts';
import type { LogitsProcessor } from '../samplers/logits-processor.ts';
import { minLength } from '../samplers/min-length.ts';
import { noRepeatNgram } from '../samplers/no-repeat-ngram.ts';
import { badWords } from '../samplers/sequence-bias.ts';
import { suppressTokens } from '../samplers/suppress-tokens.ts';
import type { GenerateOptions } from './options.ts';
import { renormalize } from './renormalize.ts';

/** What generation does where the caller doesn't say otherwise. */
export interface TargetDefaults {
  /** What a target starts with; null where the model's files don't say. */
  readonly startIds: readonly number[] | null;
  readonly options: GenerateOptions;
  /** What the files force or forbid, for targets of which these tokens are the end. */
  processors(eosTokenIds: readonly number[]): LogitsProcessor[];
  /** What runs after all other processors. */
  readonly last: readonly LogitsProcessor[];
}

// Fields whose other values would change the tokens in a way that isn't implemented here.
const unsupported: Readonly<Record<string, unknown>> = {
  num_beam_groups: 1,
  diversity_penalty: 0,
  encoder_repetition_penalty: 1,
  encoder_no_repeat_ngram_size: 0,
  exponential_decay_length_penalty: null,
  force_words_ids: null,
  constraints: null,
  guidance_scale: null,
  sequence_bias: null,
};
// Fields that count wherever they stand; the others in config.json only where there is no generation_config.json of its own.
const everywhere = /^(eos|bos|pad|decoder_start)_token_id$/;

/** Reads the defaults of a model; `network.config` holds what its architecture takes where config.json is silent. */
export function targetDefaults({
  network,
  config,
  generationConfig,
}: {
  readonly network: Network;
  readonly config: Config;
  readonly generationConfig: Config;
}): TargetDefaults {
  const own = Object.keys(generationConfig).length > 0 && generationConfig['_from_model_config'] !== true;
  const resolved = { ...config, ...network.config } as Config;
  const value = (name: string): unknown => {
    if (Object.hasOwn(generationConfig, name)) return generationConfig[name];
    return own && !everywhere.test(name) ? null : resolved[name];
  };
  const say = (name: string, needed: string): never => {
    throw new Error(`generation config: ${name} is ${JSON.stringify(value(name))}; needs ${needed}`);
  };
  const number = (name: string): number | undefined => {
    const found = value(name) ?? undefined;
    return found === undefined || typeof found === 'number' ? found : say(name, 'a number');
  };
  const ids = (name: string): number[] => {
    const found = [value(name) ?? []].flat();
    return found.every((id): id is number => Number.isSafeInteger(id)) ? found : say(name, 'token ids');
  };
  for (const [name, usual] of Object.entries(unsupported)) {
    const found = value(name) ?? null;
    if (found !== null && found !== usual) say(name, `${JSON.stringify(usual)}: others are not implemented`);
  }

  const start = [...ids('decoder_start_token_id'), ...ids('bos_token_id')].slice(0, 1);
  const length = number('max_length');
  const isSampled = value('do_sample') === true;
  const early = value('early_stopping');
  const alpha = number('penalty_alpha') ?? 0;
  const options: GenerateOptions = {
    ...(alpha > 0 && !isSampled && { penaltyAlpha: alpha, topK: number('top_k') ?? 50 }),
    maxNewTokens: number('max_new_tokens') ?? (length === undefined ? undefined : Math.max(0, length - 1)),
    eosTokenIds: ids('eos_token_id'),
    numBeams: number('num_beams'),
    numReturnSequences: number('num_return_sequences'),
    lengthPenalty: number('length_penalty'),
    earlyStopping: typeof early === 'boolean' || early === 'never' ? early : undefined,
    repetitionPenalty: number('repetition_penalty'),
    ...(isSampled && {
      doSample: true,
      temperature: number('temperature'),
      topK: number('top_k') ?? 50,
      topP: number('top_p'),
      minP: number('min_p'),
    }),
  };
  const words = value('bad_words_ids') ?? [];
  if (!Array.isArray(words)) say('bad_words_ids', 'lists of token ids');
  const processors = (eosTokenIds: readonly number[]): LogitsProcessor[] => {
    const ngram = number('no_repeat_ngram_size') ?? 0;
    const least = { length: number('min_length') ?? 0, newTokens: number('min_new_tokens') ?? 0 };
    const [first] = ids('forced_bos_token_id');
    const last = ids('forced_eos_token_id');
    const never = ids('suppress_tokens');
    const neverFirst = ids('begin_suppress_tokens');
    return [
      ...(ngram > 0 ? [noRepeatNgram({ size: ngram })] : []),
      ...((words as number[][]).length ? [badWords({ words: words as number[][], eosTokenIds })] : []),
      ...(least.length > 0 || least.newTokens > 0 ? [minLength({ eosTokenIds, ...least })] : []),
      ...(first === undefined ? [] : [forcedBos({ id: first })]),
      ...(last.length ? [forcedEos({ ids: last })] : []),
      ...(never.length ? [suppressTokens({ ids: never })] : []),
      ...(neverFirst.length ? [suppressTokens({ ids: neverFirst, at: first === undefined ? 0 : 1 })] : []),
    ];
  };
  const last = value('renormalize_logits') === true ? [renormalize] : [];
  return { startIds: start.length ? start : null, options, processors, last };
}
