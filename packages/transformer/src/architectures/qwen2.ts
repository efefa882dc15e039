// Qwen2 (Yang et al., 2024): Llama with biases on queries, keys and values.
import { readConfig } from '../config.ts';
import type { Architecture } from '../architecture.ts';
import { LlamaForCausalLM, llamaDefaults, llamaNames } from './llama.ts';

/** Qwen2 with its language-model head, in Hugging Face's weight names. */
export class Qwen2ForCausalLM extends LlamaForCausalLM {
  constructor(config: Readonly<Record<string, unknown>>) {
    const o = readConfig('qwen2', config, {
      use_sliding_window: false,
      sliding_window: 4096,
      max_window_layers: 28,
      num_hidden_layers: 32,
    });
    // Layers from max_window_layers on slide.
    if (o.use_sliding_window && o.max_window_layers < o.num_hidden_layers)
      throw new Error(
        `qwen2 config: use_sliding_window with max_window_layers ${o.max_window_layers} of ${o.num_hidden_layers} is not implemented; needs use_sliding_window: false`,
      );
    super(
      config,
      { name: 'qwen2', biases: { qkv: true, output: false }, window: null },
      {
        ...llamaDefaults,
        vocab_size: 151936,
        intermediate_size: 22016,
        num_key_value_heads: 32,
        max_position_embeddings: 32768,
      },
    );
  }
}

/** Qwen2's checkpoints. */
export const qwen2: Architecture = {
  classes: { Qwen2ForCausalLM: (config) => new Qwen2ForCausalLM(config) },
  ...llamaNames,
};
