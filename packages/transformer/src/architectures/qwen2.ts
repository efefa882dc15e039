// Qwen2 (Yang et al., 2024): Llama with biases on queries, keys and values.
import type { Architecture, Config } from '../architecture.ts';
import { readConfig } from '../config.ts';
import { layerWindows } from '../layer-types.ts';
import { LlamaForCausalLM, llamaClasses, llamaDefaults, llamaNames, type LlamaFamily } from './llama.ts';

/** Hugging Face's defaults where they aren't Llama's. */
export const qwen2Defaults: LlamaFamily['defaults'] = {
  ...llamaDefaults,
  vocab_size: 151936,
  intermediate_size: 22016,
  num_key_value_heads: 32,
  max_position_embeddings: 32768,
};

/** With `use_sliding_window`, the layers from `max_window_layers` on see a window only, unless `layer_types` says which. */
export const qwenWindows =
  (name: string): NonNullable<LlamaFamily['windows']> =>
  (config, { num_hidden_layers: layers }) => {
    const { use_sliding_window: used } = readConfig(name, config, { use_sliding_window: false });
    // Both may be null, or 0 for none of the layers.
    const number = (field: string, standard: number): number => {
      const value = config[field] === undefined ? standard : (config[field] ?? 0);
      if (!Number.isSafeInteger(value) || (value as number) < 0)
        throw new Error(`${name} config: ${field} is ${JSON.stringify(value)}; needs a whole number from 0`);
      return value as number;
    };
    const [window, first] = [number('sliding_window', 4096), number('max_window_layers', 28)];
    return layerWindows(name, config, { layers, window: used && window ? window : null, slides: (i) => i >= first });
  };

const family: LlamaFamily = {
  name: 'qwen2',
  defaults: qwen2Defaults,
  biases: { qkv: true, output: false },
  windows: qwenWindows('qwen2'),
};

/** Qwen2 with its language-model head, in Hugging Face's weight names. */
export class Qwen2ForCausalLM extends LlamaForCausalLM {
  constructor(config: Config) {
    super(config, family);
  }
}

/** Qwen2's checkpoints. */
export const qwen2: Architecture = { classes: llamaClasses('Qwen2', family), ...llamaNames };
