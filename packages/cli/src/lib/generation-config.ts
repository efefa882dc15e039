// generation_config.json: how a model's authors meant it to be run, as Hugging Face's `generate` reads it.
import type { GenerateOptions } from '@brickwork/transformer';

type Settings = Omit<GenerateOptions, 'processors' | 'signal' | 'draft' | 'constraint'>;
type Json = Readonly<Record<string, unknown>>;

/** What was asked for on top of what the model's files say. Their sampling counts only where `do_sample` is true. */
export function generationOptions(asked: Settings, generationConfig: Json, config: Json): Settings {
  const number = (name: string): number | undefined => {
    const value = generationConfig[name];
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
  };
  const end = generationConfig['eos_token_id'] ?? config['eos_token_id'];
  const general: Settings = {
    maxNewTokens: number('max_new_tokens'),
    repetitionPenalty: number('repetition_penalty'),
    numBeams: number('num_beams'),
    lengthPenalty: number('length_penalty'),
    noRepeatNgramSize: number('no_repeat_ngram_size'),
    minNewTokens: number('min_new_tokens'),
    penaltyAlpha: number('penalty_alpha'),
    eosTokenIds: [end].flat().filter((id): id is number => Number.isSafeInteger(id)),
  };
  const sampling: Settings = {
    temperature: number('temperature'),
    topK: number('top_k'),
    topP: number('top_p'),
    minP: number('min_p'),
    doSample: true,
  };
  const isSet = (name: keyof Settings): boolean => asked[name] !== undefined;
  const asksForChance = (['temperature', 'topK', 'topP', 'minP'] as const).some(isSet) && !asked.penaltyAlpha;
  const beams = (asked.numBeams ?? 1) > 1;
  const samples =
    generationConfig['do_sample'] === true &&
    asked.doSample !== false &&
    asked.temperature !== 0 &&
    !beams &&
    !asked.penaltyAlpha;
  return defined({
    ...defined(general),
    ...(asksForChance ? { numBeams: undefined } : {}),
    ...(samples ? defined(sampling) : {}),
    ...defined(asked),
  });
}

const defined = (settings: Settings): Settings =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
