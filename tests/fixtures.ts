// The reference checkpoints with PyTorch's outputs and gradients, which stand beside the repository where we develop.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadCheckpoint, readSafetensors, type HostTensor } from '../packages/runtime/src/index.ts';

const shared = new URL('../../shared/', import.meta.url);
/** A path below `../shared`. */
export const sharedPath = (path: string): string => fileURLToPath(new URL(path, shared));
/** Whether `../shared` is there; a user's clone has none, and tests that need it skip. */
export const hasShared: boolean = existsSync(shared);

/** What a reference checkpoint holds. */
export interface Fixture {
  readonly folder: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: Map<string, HostTensor>;
  readonly inputs: Map<string, HostTensor>;
  readonly expected: Map<string, HostTensor>;
  /** Empty where the reference has no loss. */
  readonly grads: Map<string, HostTensor>;
  readonly json: {
    loss: number;
    generate: { max_new_tokens: number; num_beams?: number; tokens: number[][]; prompt: { input_ids: number[][] } };
  };
}

/** Reads a reference checkpoint. */
export async function fixture(name: string): Promise<Fixture> {
  const folder = sharedPath(`fixtures/checkpoints/${name}`);
  const read = async (file: string): Promise<Map<string, HostTensor>> =>
    existsSync(`${folder}/${file}.safetensors`)
      ? (await readSafetensors(`${folder}/${file}.safetensors`)).tensors
      : new Map<string, HostTensor>();
  const { config, tensors } = await loadCheckpoint(folder);
  return {
    folder,
    config,
    weights: tensors,
    inputs: await read('inputs'),
    expected: await read('expected'),
    grads: await read('grads'),
    json: JSON.parse(readFileSync(`${folder}/expected.json`, 'utf8')) as Fixture['json'],
  };
}

/** Largest difference between two tensors, as it is and relative to the largest expected value. */
export function difference(actual: HostTensor, expected: HostTensor): { absolute: number; relative: number } {
  let absolute = 0;
  let largest = 0;
  for (let i = 0; i < expected.data.length; i++) {
    const d = Math.abs(Number(actual.data[i]) - Number(expected.data[i]));
    absolute = Math.max(absolute, Number.isNaN(d) ? Infinity : d);
    largest = Math.max(largest, Math.abs(Number(expected.data[i])));
  }
  return { absolute, relative: absolute / largest };
}
