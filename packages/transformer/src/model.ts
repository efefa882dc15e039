// A language model as its folder holds it: configuration, weights, tokenizer, and what runs them.
import { parameters } from '@brickwork/nn';
import { loadCheckpoint, type CompileOptions, type HostTensor, type LoadCheckpointOptions } from '@brickwork/runtime';
import { loadTokenizer, type Tokenizer } from '@brickwork/tokenizer';
import { architectureOf } from './architectures/index.ts';
import type { CausalLM } from './causal-lm.ts';
import { CachedDecoder } from './decoder.ts';
import { loadWeights } from './weights.ts';

/** A causal language model ready to run. */
export interface LanguageModel {
  readonly model: CausalLM;
  /** Every parameter's values by name; shared by all graphs of the model. */
  readonly weights: ReadonlyMap<string, HostTensor>;
  readonly config: Readonly<Record<string, unknown>>;
  /** generation_config.json, or an empty object. */
  readonly generationConfig: Readonly<Record<string, unknown>>;
  /** Reads tokenizer.json of the model's folder. */
  tokenizer(): Promise<Tokenizer>;
  /** What generation drives; dispose it when done. */
  decoder(options?: CompileOptions): CachedDecoder;
}

/**
 * Opens a model folder in the Hugging Face layout: config.json, model.safetensors and, once asked for, tokenizer.json.
 *
 * @param options an AbortSignal, and a callback that hears how many bytes of how many were read.
 * @throws where a file is missing or broken, the architecture isn't known, or the weights contradict the config.
 */
export async function loadModel(
  folder: string,
  options: Pick<LoadCheckpointOptions, 'signal' | 'onProgress'> = {},
): Promise<LanguageModel> {
  const { config, generationConfig, tensors } = await loadCheckpoint(folder, options);
  const { build, ...names } = architectureOf(config);
  const model = build(config);
  const weights = loadWeights(parameters(model), tensors, names);
  return {
    model,
    weights,
    config,
    generationConfig: generationConfig ?? {},
    tokenizer: () => loadTokenizer(folder),
    decoder: (options) => new CachedDecoder(model, weights, options),
  };
}
