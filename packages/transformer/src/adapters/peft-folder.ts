// Adapters as PEFT stores them: adapter_config.json beside adapter_model.safetensors.
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSafetensors, replaceFolder, writeSafetensors, type HostTensor } from '@brickwork/runtime';
import type { Config } from '../architecture.ts';
import { readAdapterConfig, type AdapterConfig } from './peft-config.ts';

/** An adapter as it was trained: what it is, and its values by PEFT's names. */
export interface Adapter {
  readonly config: AdapterConfig;
  /** By their names here: paths in the network, and `prompt_embeddings`. */
  readonly tensors: ReadonlyMap<string, HostTensor>;
}

const top = 'base_model.model.';

/**
 * The name here of a tensor of PEFT's, as its files or its models in memory call it: `base_model.model.h.0.attn.c_attn.
 * lora_A.default.weight` is `h.0.attn.c_attn.adapter.lora_A.weight`, and the layers saved as a whole are the network's own.
 */
export function nameOfPeft(name: string): string {
  if (name === 'prompt_embeddings' || /^prompt_encoder\.(\w+\.)?embedding\.weight$/.test(name))
    return 'prompt_embeddings';
  const own = name.startsWith(top) ? name.slice(top.length) : name;
  return own
    .replace(/\.modules_to_save\.(default\.)?/, '.')
    .replace(/\.adapter_(down|up)(?=\.)/, '.adapter.$1')
    .replace(/\.(lora_A|lora_B|ia3_l|lora_magnitude_vector)(\.default)?(?=\.|$)/, '.adapter.$1')
    .replace(/\.lora_magnitude_vector\.weight$/, '.lora_magnitude_vector');
}

/** PEFT's name in a file for a name here; AdapterHub's `adapter_down` and `adapter_up` for bottlenecks, which PEFT lacks. */
export const nameInPeft = (name: string): string =>
  name === 'prompt_embeddings'
    ? name
    : `${top}${name.replace(/\.adapter\.(down|up)\./, '.adapter_$1.').replace('.adapter.', '.')}`;

/**
 * Reads an adapter's folder.
 *
 * @throws where a file is missing or broken, or the adapter is of a kind that isn't implemented.
 */
export async function readAdapter(
  folder: string,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<Adapter> {
  const config = join(folder, 'adapter_config.json');
  let json: unknown;
  try {
    json = JSON.parse(await readFile(config, { encoding: 'utf8', ...(signal && { signal }) }));
  } catch (cause) {
    signal?.throwIfAborted();
    throw new Error(`readAdapter: ${config}: ${(cause as Error).message}`, { cause });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new Error(`readAdapter: ${config} is not a JSON object`);
  const file = join(folder, 'adapter_model.safetensors');
  if (!existsSync(file)) {
    const old = existsSync(join(folder, 'adapter_model.bin'));
    throw new Error(
      `readAdapter: there is no ${file}${old ? '; adapter_model.bin is a Python pickle: load it in PEFT and save it with save_pretrained(…, safe_serialization=True)' : ''}`,
    );
  }
  const { tensors } = await readSafetensors(file, { widen: true, ...(signal && { signal }) });
  return {
    config: readAdapterConfig(json as Config),
    tensors: new Map([...tensors].map(([name, tensor]) => [nameOfPeft(name), tensor])),
  };
}

/** What PEFT's configuration says of the network besides. */
export interface PeftOptions {
  /** Whether the layers' weights are (in, out), as GPT-2's are; false unless given. */
  readonly fanInFanOut?: boolean;
  /** For learned tokens: num_layers, num_attention_heads (of keys and values) and token_dim. */
  readonly shape?: Readonly<Record<string, number>>;
}

/** A configuration with the fields that PEFT 0.8 writes; later ones read it. */
export function peftJson(config: AdapterConfig, { fanInFanOut = false, shape = {} }: PeftOptions = {}): Config {
  const { peft_type, task_type, base_model_name_or_path } = config;
  const common = {
    auto_mapping: null,
    base_model_name_or_path: base_model_name_or_path ?? '',
    inference_mode: true,
    peft_type,
    revision: null,
    task_type,
  };
  if (peft_type === 'PREFIX_TUNING' || peft_type === 'PROMPT_TUNING') {
    const { num_virtual_tokens } = config;
    const fields = peft_type === 'PREFIX_TUNING' ? { prefix_projection: false } : { prompt_tuning_init: 'RANDOM' };
    return { ...common, num_virtual_tokens, num_transformer_submodules: 1, ...fields, ...shape };
  }
  if (peft_type === 'BOTTLENECK')
    return { ...common, ...config, base_model_name_or_path: base_model_name_or_path ?? '' };
  const targets = {
    target_modules: config.target_modules,
    modules_to_save: config.modules_to_save.length ? config.modules_to_save : null,
    fan_in_fan_out: fanInFanOut,
    ...(config.exclude_modules !== null && { exclude_modules: config.exclude_modules }),
  };
  if (peft_type === 'IA3')
    return { ...common, ...targets, feedforward_modules: config.feedforward_modules, init_ia3_weights: true };
  return {
    ...common,
    ...targets,
    r: config.r,
    lora_alpha: config.lora_alpha,
    lora_dropout: config.lora_dropout,
    bias: config.bias,
    use_rslora: config.use_rslora,
    ...(config.use_dora && { use_dora: true }),
    rank_pattern: config.rank_pattern,
    alpha_pattern: config.alpha_pattern,
    layers_to_transform: config.layers_to_transform,
    layers_pattern: config.layers_pattern,
    init_lora_weights: true,
    loftq_config: {},
    megatron_config: null,
    megatron_core: 'megatron.core',
  };
}

/**
 * Writes an adapter as PEFT reads it: the whole folder, or nothing.
 *
 * @param tensors by their names here
 * @param options what PEFT's configuration says besides, and files to put beside it, by name
 */
export async function writeAdapter(
  folder: string,
  { config, tensors }: Adapter,
  { files = {}, ...more }: PeftOptions & { readonly files?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const write = async (into: string): Promise<void> => {
    const named = new Map([...tensors].map(([name, tensor]) => [nameInPeft(name), tensor] as const));
    await writeSafetensors(join(into, 'adapter_model.safetensors'), named, { metadata: { format: 'pt' } });
    const json = JSON.stringify(peftJson(config, more), null, 2);
    await writeFile(join(into, 'adapter_config.json'), `${json}\n`);
    for (const [name, content] of Object.entries(files)) await writeFile(join(into, name), content);
  };
  const drop = (name: string): boolean => name.startsWith('adapter_') || Object.hasOwn(files, name);
  await replaceFolder(folder, write, { drop, proof: 'adapter_config.json' });
}
