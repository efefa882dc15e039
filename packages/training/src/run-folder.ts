// A run's folder: what it was started with (run.json), its metrics line by line, and the last checkpoint, which is
// replaced whole, so that a run killed at any moment goes on from one that is complete.
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { hostTensor, readSafetensors, writeFileAtomic, writeSafetensors } from '@brickwork/runtime';

/** What a checkpoint remembers besides arrays. */
export interface Progress {
  readonly step: number;
  readonly best: number;
  readonly plateau: Readonly<Record<string, unknown>>;
}

/** An open run. */
export interface Run {
  /** Fills the arrays from the last checkpoint; null where the run begins. */
  restore(state: Readonly<Record<string, Float32Array>>): Promise<Progress | null>;
  save(progress: Progress, state: Readonly<Record<string, Float32Array>>): Promise<string>;
  log(entry: Readonly<Record<string, unknown>>): Promise<void>;
  close(): Promise<void>;
}

const file = { identity: 'run.json', metrics: 'metrics.jsonl', state: 'state.safetensors' };

function differences(before: Record<string, unknown>, now: Record<string, unknown>): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(now[key]))
    .map((key) => `${key} was ${JSON.stringify(before[key])}, is ${JSON.stringify(now[key])}`);
}

// The metrics up to a step: a killed run has logged steps that it will take again.
async function cutMetrics(path: string, step: number): Promise<void> {
  if (!existsSync(path)) return;
  const kept = (await readFile(path, 'utf8')).split('\n').filter((line) => {
    try {
      return (JSON.parse(line) as { step: number }).step <= step;
    } catch {
      return false;
    }
  });
  await writeFileAtomic(path, kept.map((line) => `${line}\n`).join(''));
}

/**
 * Opens a folder for a new run, or to go on with the one that is there.
 *
 * @throws where a run is there and `resume` is not set, or was started with other options or data.
 */
export async function openRun(
  folder: string,
  o: { readonly resume: boolean; readonly identity: Readonly<Record<string, unknown>> },
): Promise<Run> {
  const at = (name: string): string => join(folder, name);
  const identity = JSON.parse(JSON.stringify(o.identity)) as Record<string, unknown>;
  if (existsSync(at(file.identity))) {
    if (!o.resume) throw new Error(`${folder}: a run is there; resume it, or name another folder`);
    const changed = differences(
      JSON.parse(await readFile(at(file.identity), 'utf8')) as Record<string, unknown>,
      identity,
    );
    if (changed.length)
      throw new Error(
        `${folder}: the run was started otherwise: ${changed.join('; ')}. Use the same options, or another folder`,
      );
  } else {
    await mkdir(folder, { recursive: true });
    await writeFileAtomic(at(file.identity), `${JSON.stringify(identity, null, 2)}\n`);
  }
  const saved = existsSync(at(file.state)) ? await readSafetensors(at(file.state)) : null;
  const progress = saved ? (JSON.parse(saved.metadata['progress']!) as Progress) : null;
  await cutMetrics(at(file.metrics), progress?.step ?? 0);
  let metrics: FileHandle | null = await open(at(file.metrics), 'a');
  return {
    async restore(state) {
      if (!saved) return null;
      for (const [name, into] of Object.entries(state)) {
        const from = saved.tensors.get(name);
        if (!from || from.data.length !== into.length)
          throw new Error(`${at(file.state)}: ${name} doesn't fit this model`);
        into.set(from.data as Float32Array);
        saved.tensors.delete(name);
      }
      return { ...progress!, best: progress!.best ?? Infinity };
    },
    async save(now, state) {
      const tensors = new Map(Object.entries(state).map(([name, data]) => [name, hostTensor(data)]));
      await writeSafetensors(at(file.state), tensors, { metadata: { progress: JSON.stringify(now) } });
      return at(file.state);
    },
    log: async (entry) => void (await metrics!.appendFile(`${JSON.stringify(entry)}\n`)),
    async close() {
      await metrics?.close();
      metrics = null;
    },
  };
}
