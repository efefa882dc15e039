// Which architecture config.json means by its `model_type`.
import { buildNetwork, type Architecture, type Config } from '../architecture.ts';
import { isCausalLM, type CausalLM } from '../causal-lm.ts';
import { bart } from './bart.ts';
import { bert } from './bert.ts';
import { distilbert } from './distilbert.ts';
import { gemma } from './gemma.ts';
import { gemma2 } from './gemma2.ts';
import { gemma3, gemma3Text } from './gemma3.ts';
import { gptNeoX } from './gpt-neox.ts';
import { gpt2 } from './gpt2.ts';
import { llama } from './llama.ts';
import { marian } from './marian.ts';
import { mistral } from './mistral.ts';
import { modernbert } from './modernbert.ts';
import { opt } from './opt.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';
import { camembert, roberta, xlmRoberta } from './roberta.ts';
import { smollm3 } from './smollm3.ts';
import { mt5, t5, umt5 } from './t5.ts';
import { transformer } from './transformer.ts';

/** Architectures by `model_type`. */
export const architectures: Readonly<Record<string, Architecture>> = {
  bart,
  bert,
  camembert,
  distilbert,
  gemma,
  gemma2,
  gemma3,
  gemma3_text: gemma3Text,
  gpt2,
  gpt_neox: gptNeoX,
  llama,
  marian,
  mistral,
  modernbert,
  mt5,
  opt,
  qwen2,
  qwen3,
  roberta,
  smollm3,
  t5,
  transformer,
  umt5,
  'xlm-roberta': xlmRoberta,
};

/** The decoder-only language model that a config.json describes. */
export function buildCausalLM(config: Config): CausalLM {
  const { network, className } = buildNetwork(config, architectures);
  if (!isCausalLM(network)) throw new Error(`config: ${className} is not a causal language model`);
  return network;
}
