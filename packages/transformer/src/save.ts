// Writes a model as a folder that Hugging Face's libraries load: config, weights under their names, tokenizer.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { saveCheckpoint, tokenizerFileNames, type StoredBlocks } from '@brickwork/runtime';
import type { Model } from './model.ts';

/** How to save. */
export interface SaveModelOptions {
  /** Weights of more bytes are written in shards of at most so many, with an index; 5 GB unless given. */
  readonly maxShardSize?: number;
  /** Weights that are stored in blocks of few bits; see `quantizeModel`. */
  readonly blocks?: ReadonlyMap<string, StoredBlocks>;
  /** More files, by name: the tokenizer's of a model that came from no folder. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly signal?: AbortSignal;
}

/**
 * Writes a model's folder: config.json with every field that was read and what is so now (`architectures`, float32 as
 * `torch_dtype`), generation_config.json, the tokenizer's files of the folder that the model came from, and the weights in
 * model.safetensors, tied ones once, or in shards. A folder with a model in it is replaced, as a whole or not at all.
 *
 * @throws where something can't be written; then nothing has changed and nothing is left behind.
 */
export async function saveModel(
  { config, className, generationConfig, weights, folder: from }: Model,
  folder: string,
  { maxShardSize, blocks, signal, files: own = {} }: SaveModelOptions = {},
): Promise<void> {
  const files: Record<string, string | Uint8Array> = {};
  if (from !== null)
    for (const name of [...tokenizerFileNames, 'preprocessor_config.json']) {
      const content = await readFile(join(from, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null;
        throw error;
      });
      if (content) files[name] = content;
    }
  Object.assign(files, own);
  // Newer versions of transformers say `dtype`; all of them read `torch_dtype`.
  const dtype = { torch_dtype: 'float32', ...('dtype' in config && { dtype: 'float32' }) };
  await saveCheckpoint(folder, {
    config: { ...config, architectures: [className], ...dtype },
    tensors: weights,
    generationConfig: Object.keys(generationConfig).length ? generationConfig : null,
    files,
    ...(blocks && { blocks }),
    ...(maxShardSize !== undefined && { maxShardSize }),
    ...(signal && { signal }),
  });
}
