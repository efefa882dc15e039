// Mistral (Jiang et al., 2023): Llama whose tokens see only the last `sliding_window` positions.
import type { Architecture, Config } from '../architecture.ts';
import { readConfig } from '../config.ts';
import { LlamaForCausalLM, llamaClasses, llamaDefaults, llamaNames, type LlamaFamily } from './llama.ts';

const family: LlamaFamily = {
  name: 'mistral',
  defaults: {
    ...llamaDefaults,
    intermediate_size: 14336,
    num_key_value_heads: 8,
    max_position_embeddings: 131072,
  },
  biases: { qkv: false, output: false },
  windows: (config, { num_hidden_layers: layers }) => {
    const { sliding_window: window } = readConfig('mistral', config, { sliding_window: null as number | null });
    return Array<number | null>(layers).fill(config['sliding_window'] === undefined ? 4096 : window);
  },
};

/** Mistral with its language-model head, in Hugging Face's weight names. */
export class MistralForCausalLM extends LlamaForCausalLM {
  constructor(config: Config) {
    super(config, family);
  }
}

/** Mistral's checkpoints. */
export const mistral: Architecture = { classes: llamaClasses('Mistral', family), ...llamaNames };
