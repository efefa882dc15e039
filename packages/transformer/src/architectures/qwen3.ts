// Qwen3 (Yang et al., 2025): Llama whose queries and keys are normed in each head before they turn.
import type { Architecture, Config } from '../architecture.ts';
import { LlamaForCausalLM, llamaClasses, llamaNames, type LlamaFamily } from './llama.ts';
import { qwen2Defaults, qwenWindows } from './qwen2.ts';

const family: LlamaFamily = {
  name: 'qwen3',
  defaults: { ...qwen2Defaults, head_dim: 128 },
  headNorms: true,
  windows: qwenWindows('qwen3'),
};

/** Qwen3 with its language-model head, in Hugging Face's weight names. */
export class Qwen3ForCausalLM extends LlamaForCausalLM {
  constructor(config: Config) {
    super(config, family);
  }
}

/** Qwen3's checkpoints. */
export const qwen3: Architecture = { classes: llamaClasses('Qwen3', family), ...llamaNames };
