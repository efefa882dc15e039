// A run's folder: what it was started with (run.json), its metrics line by line (metrics.jsonl), and its last checkpoint
// (state.safetensors), one file that is replaced whole, so that a run killed at any moment goes on from a complete one.
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { readSafetensors, writeFileAtomic, writeSafetensors, type HostTensor } from '@brickwork/runtime';
import type { FlatStore } from './flat-store.ts';
import type { PlateauState } from './halve-on-plateau.ts';
import { differences } from './differences.ts';

/** Where training stands, besides arrays. */
export interface Progress {
  /** Updates made. */
  readonly step: number;
  /** The last step that was evaluated. */
  readonly evaluated: number;
  /** The lowest validation loss and its step; null before the first evaluation. */
  readonly best: { readonly step: number; readonly loss: number } | null;
  readonly plateau: PlateauState;
  /** Evaluations since the loss was better; 0 unless given. */
  readonly waited?: number;
}

/** The arrays of a checkpoint: `weights`, and what the optimizer keeps. */
export type State = Readonly<Record<string, FlatStore>>;

/** An open run. */
export interface Run {
  /** Where the last checkpoint stands; null where the run begins. */
  readonly progress: Progress | null;
  /** Fills the arrays from the last checkpoint. @throws where they don't fit. */
  restore(state: State): Promise<void>;
  /** Replaces the last checkpoint, and gives its path. */
  save(progress: Progress, state: State): Promise<string>;
  /** Writes weights alone to best.safetensors. */
  saveBest(weights: FlatStore, step: number): Promise<void>;
  /** Adds a line to the metrics. */
  log(entry: Readonly<Record<string, unknown>>): Promise<void>;
  close(): Promise<void>;
}

/** The files of a run's folder. */
export const runFiles = {
  identity: 'run.json',
  metrics: 'metrics.jsonl',
  settings: 'settings.json',
  state: 'state.safetensors',
  best: 'best.safetensors',
} as const;

interface Saved extends Progress {
  /** The size of the metrics when the checkpoint was made: what came after will come again. */
  readonly metricsBytes: number;
}

/**
 * Opens a folder for a new run, or to go on with the one that is there.
 *
 * @param o.identity all that decides the result; a resumed run must have the same.
 * @throws where a run is there and `resume` is not set, or was started with another identity.
 */
export async function openRun(
  folder: string,
  o: { readonly resume: boolean; readonly identity: Readonly<Record<string, unknown>> },
): Promise<Run> {
  const at = (name: keyof typeof runFiles): string => join(folder, runFiles[name]);
  const identity = JSON.parse(JSON.stringify(o.identity)) as Record<string, unknown>;
  if (existsSync(at('identity'))) {
    if (!o.resume) throw new Error(`${folder}: a run is there; resume it, or name another folder`);
    const changed = differences(await readRunJson(at('identity')), identity);
    if (changed.length)
      throw new Error(
        `${folder}: the run was started otherwise: ${changed.join('; ')}. Use the same options, or another folder`,
      );
  } else {
    await mkdir(folder, { recursive: true });
    await writeFileAtomic(at('identity'), `${JSON.stringify(identity, null, 2)}\n`);
  }
  await removeLeftovers(folder);
  const saved = existsSync(at('state')) ? await readProgress(at('state')) : null;
  const metrics = await openMetrics(at('metrics'), saved?.metricsBytes ?? 0);
  return {
    progress: saved,
    async restore(state) {
      const all = stateTensors(state);
      for (const names of groups(all)) {
        const { tensors } = await readSafetensors(at('state'), { names });
        for (const name of names) {
          const [from, to] = [tensors.get(name)!, all.get(name)!];
          if (from.dtype !== to.dtype || from.shape.join() !== to.shape.join())
            throw new Error(
              `${at('state')}: ${name} is ${from.dtype} [${from.shape.join(', ')}], this model's is ${to.dtype} [${to.shape.join(', ')}]`,
            );
          (to.data as Float32Array).set(from.data as Float32Array);
        }
      }
    },
    async save(progress, state) {
      // First the lines that the checkpoint counts on.
      await metrics.file.sync();
      const { step, evaluated, best, plateau, waited = 0 } = progress;
      const note: Saved = { step, evaluated, best, plateau, waited, metricsBytes: metrics.size };
      await writeSafetensors(at('state'), stateTensors(state), { metadata: { progress: JSON.stringify(note) } });
      return at('state');
    },
    saveBest: (weights, step) =>
      writeSafetensors(at('best'), weights.tensors, { metadata: { format: 'pt', step: String(step) } }),
    async log(entry) {
      const line = Buffer.from(`${JSON.stringify(entry)}\n`);
      await metrics.file.appendFile(line);
      metrics.size += line.length;
    },
    close: () => metrics.file.close(),
  };
}

// What a killed run was writing: as large as a checkpoint, and of no use.
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder))
    if (name.endsWith('.tmp') && Object.values(runFiles).some((file) => name.startsWith(`.${file}.`)))
      await rm(join(folder, name), { force: true });
}

function stateTensors(state: State): Map<string, HostTensor> {
  return new Map(
    Object.entries(state).flatMap(([key, { tensors }]) =>
      [...tensors].map(([name, t]): [string, HostTensor] => [`${key}/${name}`, t]),
    ),
  );
}

// Names of tensors of some 64 MB together, so that reading a checkpoint needs little memory besides the arrays.
function groups(tensors: ReadonlyMap<string, HostTensor>): string[][] {
  const result: string[][] = [];
  let bytes = Infinity;
  for (const [name, { data }] of tensors) {
    if (bytes + data.byteLength > 2 ** 26) {
      result.push([]);
      bytes = 0;
    }
    result.at(-1)!.push(name);
    bytes += data.byteLength;
  }
  return result;
}

async function readRunJson(path: string): Promise<Record<string, unknown>> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  } catch (cause) {
    throw new Error(`${path}: ${(cause as Error).message}`, { cause });
  }
}

async function readProgress(path: string): Promise<Saved> {
  const { metadata } = await readSafetensors(path, { names: [] });
  try {
    const saved = JSON.parse(metadata['progress']!) as Saved;
    if (!Number.isInteger(saved.step)) throw new Error(`step is ${saved.step}`);
    return saved;
  } catch (cause) {
    throw new Error(`${path}: not a checkpoint of a run: ${(cause as Error).message}`, { cause });
  }
}

// Opens the metrics to add to, without what a killed run wrote after its last checkpoint.
async function openMetrics(path: string, size: number): Promise<{ readonly file: FileHandle; size: number }> {
  const file = await open(path, 'a');
  try {
    const { size: found } = await file.stat();
    if (found > size) await file.truncate(size);
    return { file, size: Math.min(found, size) };
  } catch (error) {
    await file.close();
    throw error;
  }
}
