// Checkpoint folders in the Hugging Face layout: config.json, model.safetensors (whole or in shards with an index),
// generation_config.json, and what else belongs to a model. Saved as a whole or not at all.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from './atomic.ts';
import type { HostTensor } from './host-tensor.ts';
import { otherFormat } from './other-formats.ts';
import { recoverFolder, replaceFolder } from './replace-folder.ts';
import { blocksConfig, chooseBlocks, restoreBlocks, storeBlocks, type StoredBlocks } from './quantize/stored-blocks.ts';
import {
  readSafetensors,
  readSafetensorsHeader,
  writeSafetensors,
  type ReadSafetensorsOptions,
} from './safetensors.ts';
import { indexFile as index, isPlainName, shardsOf, singleFile as single, splitIntoShards } from './shards.ts';

/** How to load a checkpoint. */
export interface LoadCheckpointOptions extends Pick<ReadSafetensorsOptions, 'signal' | 'onProgress'> {
  /** Give float16 and bfloat16 as float32 of the same values; true unless given. */
  readonly widen?: boolean;
  /**
   * Which tensors to read, by name, once config.json is known; all unless given. What isn't wanted takes no memory.
   */
  readonly choose?: (config: Readonly<Record<string, unknown>>) => (name: string) => boolean;
}

/** What a checkpoint folder holds. */
export interface Checkpoint {
  /** config.json. */
  config: Record<string, unknown>;
  /** generation_config.json, or null where there is none. */
  generationConfig: Record<string, unknown> | null;
  tensors: Map<string, HostTensor>;
}

/** What to save. */
export interface CheckpointParts {
  /** Becomes config.json. */
  readonly config: object;
  /** Become model.safetensors, or shards with their index. */
  readonly tensors: ReadonlyMap<string, HostTensor>;
  /** Weights that are stored in blocks of few bits; all are as they are unless given. */
  readonly blocks?: ReadonlyMap<string, StoredBlocks>;
  /** Becomes generation_config.json where given. */
  readonly generationConfig?: object | null;
  /** Weights of more bytes are written in shards of at most so many, with an index; 5 GB unless given. */
  readonly maxShardSize?: number;
  /** More files by name: text, bytes, or tensors (written as safetensors). */
  readonly files?: Readonly<Record<string, string | Uint8Array | ReadonlyMap<string, HostTensor>>>;
  readonly signal?: AbortSignal;
}

const isWeights = (name: string): boolean =>
  /^(model.*\.safetensors(\.index\.json)?|pytorch_model.*\.bin(\.index\.json)?)$/.test(name);

/**
 * Loads a checkpoint folder: one file of weights, or shards with their index.
 *
 * @throws where the folder or config.json is missing, a file isn't what its name says, or the weights are in a format
 *   that isn't read here; the message says what to do.
 */
export async function loadCheckpoint(dir: string, o: LoadCheckpointOptions = {}): Promise<Checkpoint> {
  for (let attempt = 0; ; attempt++) {
    await recoverFolder(dir);
    const before = await identity(dir);
    const result = await load(dir, o).then(
      (checkpoint) => ({ checkpoint }),
      (error: unknown) => ({ error }),
    );
    // A training run that saved meanwhile put another folder here, and what was read may be a part of each.
    if ((await identity(dir)) !== before && attempt < 3) continue;
    if ('error' in result) throw result.error;
    return result.checkpoint;
  }
}

// A folder's number alone may be given again once it is removed.
const identity = (dir: string): Promise<string | null> =>
  stat(dir, { bigint: true }).then(
    ({ ino, birthtimeNs }) => `${ino} ${birthtimeNs}`,
    () => null,
  );

async function load(
  dir: string,
  { widen = true, signal, onProgress, choose }: LoadCheckpointOptions,
): Promise<Checkpoint> {
  const files = new Set(await listFolder(dir));
  if (!files.has('config.json')) {
    const found = [...files].slice(0, 5).join(', ');
    throw new Error(
      `loadCheckpoint: ${dir} has no config.json${found ? `, only ${found}${files.size > 5 ? ', …' : ''}` : '; it is empty'}. Is this the folder of a model?`,
    );
  }
  const config = await readJson(join(dir, 'config.json'));
  const generationConfig = files.has('generation_config.json')
    ? await readJson(join(dir, 'generation_config.json'))
    : null;
  const blocks = blocksConfig(config);
  const chosen = choose?.(config);
  const names = chosen && blocks ? chooseBlocks(chosen) : chosen;
  const options = { widen, ...(names && { names }), ...(signal && { signal }), ...(onProgress && { onProgress }) };
  const whole = (tensors: Map<string, HostTensor>): Map<string, HostTensor> =>
    blocks ? restoreBlocks(tensors, blocks, dir) : tensors;
  if (files.has(single))
    return { config, generationConfig, tensors: whole((await readSafetensors(join(dir, single), options)).tensors) };
  if (files.has(index)) return { config, generationConfig, tensors: whole(await readShards(dir, files, options)) };
  const other = otherFormat(files, config);
  if (other) throw new Error(`loadCheckpoint: ${dir} ${other}`);
  throw new Error(`loadCheckpoint: ${dir} has no ${single} and no ${index}; there are ${[...files].join(', ')}`);
}

async function listFolder(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new Error(`loadCheckpoint: there is no folder ${dir}`, { cause });
    if (code === 'ENOTDIR')
      throw new Error(`loadCheckpoint: ${dir} is a file; needs a folder with config.json and ${single}`, { cause });
    throw cause;
  }
}

/** A config of a model has some kilobytes, the index of a large one some megabytes. */
const longestJson = 2 ** 26;

async function readJson(path: string): Promise<Record<string, unknown>> {
  const fail = (why: string, cause?: unknown): never => {
    throw new Error(`${path} can't be read: ${why}`, { cause });
  };
  const found = await stat(path).catch((cause: unknown) => fail((cause as Error).message, cause));
  if (!found.isFile()) fail('it is not a file');
  if (found.size > longestJson) fail(`it has ${found.size} bytes, more than any config; needs at most ${longestJson}`);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => fail((cause as Error).message, cause));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${path} is not a JSON object`);
  return value as Record<string, unknown>;
}

async function readShards(
  dir: string,
  files: ReadonlySet<string>,
  { names: wanted, ...o }: ReadSafetensorsOptions,
): Promise<Map<string, HostTensor>> {
  const path = join(dir, index);
  const shards = shardsOf(await readJson(path), path);
  const missing = [...shards.keys()].filter((file) => !files.has(file));
  if (missing.length)
    throw new Error(
      `loadCheckpoint: ${dir} lacks ${missing.join(', ')} (${shards.size - missing.length} of ${shards.size} shards found)`,
    );
  const isWanted = typeof wanted === 'function' ? wanted : (): boolean => true;
  const chosen = [...shards].map(([file, all]) => [file, all.filter(isWanted)] as const);
  const tensors = new Map<string, HostTensor>(
    chosen.flatMap(([, names]) => names.map((name) => [name, null as never])),
  );
  // How much there is to read is told for all shards together.
  let total = 0;
  if (o.onProgress)
    for (const [file, names] of chosen) {
      const entries = (await readSafetensorsHeader(join(dir, file))).tensors;
      for (const name of names) total += (entries.get(name)?.end ?? 0) - (entries.get(name)?.begin ?? 0);
    }
  let before = 0;
  for (const [file, names] of chosen) {
    let done = 0;
    const onProgress = o.onProgress && ((n: number): void => o.onProgress!(before + (done = n), total));
    const options = { ...o, names, ...(onProgress && { onProgress }) };
    for (const [name, tensor] of (await readSafetensors(join(dir, file), options)).tensors) tensors.set(name, tensor);
    before += done;
  }
  return tensors;
}

/**
 * Saves a checkpoint folder, whole or not at all: at any moment a crash leaves the old checkpoint or the new one, and
 * {@link loadCheckpoint} gives it. An existing checkpoint is replaced; files in it that are not saved anew (a model
 * card, a tokenizer) are kept, other weights are not. A folder that holds something else is refused.
 *
 * Don't change the tensors' data until the promise resolves.
 *
 * @throws where something can't be written; then nothing has changed and nothing is left behind.
 */
export async function saveCheckpoint(
  dir: string,
  {
    config: given,
    tensors: weights,
    blocks,
    generationConfig,
    files = {},
    maxShardSize = 5e9,
    signal,
  }: CheckpointParts,
): Promise<void> {
  const { tensors, config } = stored(given as Record<string, unknown>, weights, blocks);
  const all: Record<string, string | Uint8Array | ReadonlyMap<string, HostTensor>> = {
    'config.json': json(config),
    ...splitIntoShards(tensors, maxShardSize),
    ...(generationConfig && { 'generation_config.json': json(generationConfig) }),
  };
  for (const [name, content] of Object.entries(files)) {
    if (!isPlainName(name))
      throw new Error(`saveCheckpoint: ${JSON.stringify(name)} is not the name of a file in the folder`);
    if (Object.hasOwn(all, name))
      throw new Error(`saveCheckpoint: files has ${name}, which is written from the other parts`);
    all[name] = content;
  }
  await replaceFolder(
    dir,
    async (folder) => {
      for (const [name, content] of Object.entries(all)) {
        signal?.throwIfAborted();
        const path = join(folder, name);
        if (typeof content === 'string' || content instanceof Uint8Array) await writeFileAtomic(path, content);
        else await writeSafetensors(path, content, { metadata: { format: 'pt' }, ...(signal && { signal }) });
      }
    },
    { proof: 'config.json', drop: isWeights },
  );
}

// What is written of the weights, and the config that says so.
function stored(
  config: Record<string, unknown>,
  weights: ReadonlyMap<string, HostTensor>,
  blocks: ReadonlyMap<string, StoredBlocks> | undefined,
): { tensors: ReadonlyMap<string, HostTensor>; config: Record<string, unknown> } {
  const { quantization_config: before, ...rest } = config;
  const own = blocksConfig(config) || before === undefined ? rest : config;
  if (!blocks?.size) return { tensors: weights, config: own };
  const made = storeBlocks(weights, blocks);
  return { tensors: made.tensors, config: { ...own, quantization_config: made.config } };
}

const json = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;
