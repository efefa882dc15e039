// Which class builds the model that config.json calls by `model_type`.
import type { CausalLM } from '../causal-lm.ts';
import { GPTNeoXForCausalLM } from './gpt-neox.ts';
import { GPT2LMHeadModel } from './gpt2.ts';
import { LlamaForCausalLM } from './llama.ts';
import { MistralForCausalLM } from './mistral.ts';
import { Qwen2ForCausalLM } from './qwen2.ts';

/** How one architecture is built and its weights are read. */
export interface Architecture {
  /** Builds the model that a config.json describes. */
  build(config: Readonly<Record<string, unknown>>): CausalLM;
  /** The name here of a tensor in a checkpoint; null where the tensor is not a weight. */
  sanitize(name: string): string | null;
  /** Names whose tensor may be stored though the model has it under another name: a tied head. */
  readonly tied: readonly string[];
}

// Of Llama's family: names as they are, but for the tables of frequencies that old checkpoints carry.
const family: Omit<Architecture, 'build'> = {
  sanitize: (name) => (name.endsWith('.rotary_emb.inv_freq') ? null : name),
  tied: ['lm_head.weight'],
};

/** Architectures by `model_type`. */
export const architectures: Readonly<Record<string, Architecture>> = {
  gpt2: {
    build: (config) => new GPT2LMHeadModel(config),
    tied: ['lm_head.weight'],
    // Checkpoints of the bare GPT2Model lack the prefix; old ones carry the causal mask as a buffer.
    sanitize: (name) => {
      if (/\.attn\.(masked_)?bias$/.test(name)) return null;
      return /^(wte|wpe|h|ln_f)\./.test(name) ? `transformer.${name}` : name;
    },
  },
  gpt_neox: {
    build: (config) => new GPTNeoXForCausalLM(config),
    tied: ['embed_out.weight'],
    // Old checkpoints carry the causal mask and the frequencies as buffers.
    sanitize: (name) => (/\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/.test(name) ? null : name),
  },
  llama: { build: (config) => new LlamaForCausalLM(config), ...family },
  mistral: { build: (config) => new MistralForCausalLM(config), ...family },
  qwen2: { build: (config) => new Qwen2ForCausalLM(config), ...family },
};

/** The architecture of a config.json, or an error that lists those known. */
export function architectureOf(config: Readonly<Record<string, unknown>>): Architecture {
  const type = config['model_type'];
  if (typeof type !== 'string' || !Object.hasOwn(architectures, type))
    throw new Error(
      `config: model_type is ${JSON.stringify(type)}; known are ${Object.keys(architectures).join(', ')}`,
    );
  return architectures[type]!;
}
