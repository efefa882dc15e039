// Model folders in the Hugging Face layout: config.json, generation_config.json, model.safetensors (or shards with an
// index), and whatever else belongs to the model.
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { writeFileAtomic } from './atomic.ts';
import type { HostTensor } from './host-tensor.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';
import { widen } from './widen.ts';

/** A folder's contents. float16 and bfloat16 weights are widened to float32. */
export interface Checkpoint {
  readonly config: Readonly<Record<string, unknown>>;
  readonly generationConfig: Readonly<Record<string, unknown>> | null;
  readonly tensors: Map<string, HostTensor>;
}

/** Reads a JSON object from a file. @throws where it is missing or something else. */
export async function readJson(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new Error(
      `${path}: ${(cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : (cause as Error).message}`,
      { cause },
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${path}: not a JSON object`);
  return value as Record<string, unknown>;
}

// The weight files of a folder and which tensors to take from each; all where not said.
async function weightFiles(folder: string): Promise<Map<string, string[] | null>> {
  const at = (name: string): string => join(folder, name);
  if (existsSync(at('model.safetensors'))) return new Map([['model.safetensors', null]]);
  const index = 'model.safetensors.index.json';
  if (existsSync(at(index))) {
    const map = (await readJson(at(index)))['weight_map'];
    if (typeof map !== 'object' || map === null) throw new Error(`${at(index)}: no weight_map`);
    const files = new Map<string, string[]>();
    for (const [name, file] of Object.entries(map as Record<string, unknown>)) {
      if (typeof file !== 'string' || basename(file) !== file || !file.endsWith('.safetensors'))
        throw new Error(
          `${at(index)}: ${name} is in ${JSON.stringify(file)}; needs the name of a safetensors file of this folder`,
        );
      files.set(file, [...(files.get(file) ?? []), name]);
    }
    return files;
  }
  if (existsSync(at('pytorch_model.bin')))
    throw new Error(
      `${folder}: only pytorch_model.bin, a pickle, which can run code when it is read. Convert it where PyTorch is: ` +
        `python -c "from transformers import AutoModel as M; M.from_pretrained('${folder}').save_pretrained('${folder}')"`,
    );
  throw new Error(`${folder}: no model.safetensors. Is this a model folder?`);
}

/** Reads a model folder. @throws where config.json or the weights are missing or broken. */
export async function loadCheckpoint(folder: string, o: { readonly signal?: AbortSignal } = {}): Promise<Checkpoint> {
  if (!existsSync(folder)) throw new Error(`${folder}: no such folder`);
  const config = await readJson(join(folder, 'config.json'));
  const generation = join(folder, 'generation_config.json');
  const generationConfig = existsSync(generation) ? await readJson(generation) : null;
  const tensors = new Map<string, HostTensor>();
  for (const [file, names] of await weightFiles(folder)) {
    const read = await readSafetensors(join(folder, file), {
      ...(names ? { names } : {}),
      ...(o.signal ? { signal: o.signal } : {}),
    });
    for (const [name, tensor] of read.tensors) {
      tensors.set(name, widen(tensor));
      read.tensors.delete(name);
    }
  }
  return { config, generationConfig, tensors };
}

let serial = 0;

/**
 * Writes a model folder: into a folder beside it first, which then takes its place, so that an error or a crash leaves
 * the old folder or the new one. (Between the two renames the old one is there under its name with `.old`.)
 */
export async function saveCheckpoint(
  folder: string,
  parts: {
    readonly config: object;
    readonly tensors: ReadonlyMap<string, HostTensor>;
    /** Further files by name: tokenizer.json, generation_config.json, README.md. */
    readonly files?: Readonly<Record<string, string | Uint8Array>>;
  },
): Promise<void> {
  const target = resolve(folder);
  const next = join(dirname(target), `.${basename(target)}.${process.pid}-${serial++}.tmp`);
  const old = `${target}.old`;
  try {
    await mkdir(next, { recursive: true });
    await writeFileAtomic(join(next, 'config.json'), `${JSON.stringify(parts.config, null, 2)}\n`);
    for (const [name, content] of Object.entries(parts.files ?? {})) {
      if (basename(name) !== name) throw new Error(`saveCheckpoint: ${name} is not the name of a file`);
      await writeFileAtomic(join(next, name), content);
    }
    await writeSafetensors(join(next, 'model.safetensors'), parts.tensors, { metadata: { format: 'pt' } });
    await rm(old, { recursive: true, force: true });
    if (existsSync(target)) await rename(target, old);
    await rename(next, target);
    await rm(old, { recursive: true, force: true });
  } catch (error) {
    await rm(next, { recursive: true, force: true });
    if (!existsSync(target) && existsSync(old)) await rename(old, target);
    throw error;
  }
}
