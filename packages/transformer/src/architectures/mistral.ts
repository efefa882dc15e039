// Mistral (Jiang et al., 2023): Llama whose tokens see only the last `sliding_window` positions.
import { readConfig } from '../config.ts';
import type { Architecture } from '../architecture.ts';
import { LlamaForCausalLM, llamaDefaults, llamaNames } from './llama.ts';

/** Mistral with its language-model head, in Hugging Face's weight names. */
export class MistralForCausalLM extends LlamaForCausalLM {
  constructor(config: Readonly<Record<string, unknown>>) {
    const { sliding_window: window } = readConfig('mistral', config, { sliding_window: null as number | null });
    const standard = config['sliding_window'] === undefined ? 4096 : window;
    super(
      config,
      { name: 'mistral', biases: { qkv: false, output: false }, window: standard },
      { ...llamaDefaults, intermediate_size: 14336, num_key_value_heads: 8, max_position_embeddings: 131072 },
    );
  }
}

/** Mistral's checkpoints. */
export const mistral: Architecture = {
  classes: { MistralForCausalLM: (config) => new MistralForCausalLM(config) },
  ...llamaNames,
};
