// Adapters as PEFT stores them: adapter_config.json beside adapter_model.safetensors.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSafetensors, type HostTensor } from '@brickwork/runtime';
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
    .replace(/\.(lora_A|lora_B|ia3_l|lora_magnitude_vector)(\.default)?(?=\.|$)/, '.adapter.$1')
    .replace(/\.lora_magnitude_vector\.weight$/, '.lora_magnitude_vector');
}

/** PEFT's name in a file for a name here. */
export const nameInPeft = (name: string): string =>
  name === 'prompt_embeddings' ? name : `${top}${name.replace('.adapter.', '.')}`;

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
