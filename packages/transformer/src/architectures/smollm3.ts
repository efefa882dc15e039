// SmolLM3 (Bakouch et al., 2025): Llama in which every fourth layer knows nothing of positions (Yang et al., 2025).
import type { Architecture, Config } from '../architecture.ts';
import { readConfig } from '../config.ts';
import { layerWindows } from '../layer-types.ts';
import {
  LlamaForCausalLM,
  llamaClasses,
  llamaDefaults,
  llamaNames,
  type LlamaConfig,
  type LlamaFamily,
} from './llama.ts';

/** Which layers turn: `no_rope_layers`, whose 1 means that they do, or all but each `no_rope_layer_interval`-th. */
function turns(config: Config, { num_hidden_layers: layers }: LlamaConfig): boolean[] {
  const given: unknown = config['no_rope_layers'] ?? null;
  if (given === null) {
    const { no_rope_layer_interval: every } = readConfig('smollm3', config, { no_rope_layer_interval: 4 });
    return Array.from({ length: layers }, (_, i) => (i + 1) % every !== 0);
  }
  if (!Array.isArray(given) || given.length < layers || !given.every((v) => [0, 1, false, true].includes(v as number)))
    throw new Error(
      `smollm3 config: no_rope_layers is ${JSON.stringify(given)}; needs 1 (turns) or 0 for each of ${layers} layers`,
    );
  return given.slice(0, layers).map(Boolean);
}

const family: LlamaFamily = {
  name: 'smollm3',
  defaults: {
    ...llamaDefaults,
    vocab_size: 128256,
    hidden_size: 2048,
    num_hidden_layers: 36,
    num_attention_heads: 16,
    num_key_value_heads: 4,
    max_position_embeddings: 32768,
    rope_theta: 2e6,
    tie_word_embeddings: true,
  },
  turns,
  windows: (config, c) => {
    const { use_sliding_window: used, sliding_window: window } = readConfig('smollm3', config, {
      use_sliding_window: false,
      sliding_window: null as number | null,
    });
    const turning = turns(config, c);
    return layerWindows('smollm3', config, {
      layers: c.num_hidden_layers,
      window: used ? window : null,
      slides: (i) => !turning[i],
    });
  },
};

/** SmolLM3 with its language-model head, in Hugging Face's weight names. */
export class SmolLM3ForCausalLM extends LlamaForCausalLM {
  constructor(config: Config) {
    super(config, family);
  }
}

/** SmolLM3's checkpoints. */
export const smollm3: Architecture = { classes: llamaClasses('SmolLM3', family, 'transformer'), ...llamaNames };
