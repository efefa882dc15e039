// Where a training run writes: the model's folder, and the run's folder beside it.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CliError, usage } from './errors.ts';

/** The two folders. */
export interface RunOutput {
  /** The model's. */
  readonly out: string;
  /** Metrics and checkpoints. */
  readonly run: string;
  /** Takes the run's folder away again where it was made by this command and holds no checkpoint. */
  tidy(): Promise<void>;
}

/**
 * Finds out before any work whether a run may write to a folder.
 *
 * @throws where the folder is someone's, or a run is there and `resume` isn't set.
 */
export function runOutput(given: string, resume: boolean): RunOutput {
  const out = given.replace(/(?<=.)[/\\]+$/, '');
  const run = `${out}.run`;
  for (const path of [out, run])
    if (existsSync(path) && !statSync(path).isDirectory()) throw usage(`--out ${given}: ${path} is a file`);
  if (existsSync(out) && readdirSync(out).length && !existsSync(join(out, 'config.json')))
    throw usage(`--out ${given}: the folder holds something else than a model`, 'a new folder, or an empty one');
  const wasThere = existsSync(run);
  if (existsSync(join(run, 'run.json')) && !resume)
    throw new CliError(`${run}: a run is there`, { hint: '--resume to go on with it, or another --out' });
  return {
    out,
    run,
    async tidy() {
      if (!wasThere && existsSync(run) && !existsSync(join(run, 'state.safetensors')))
        await rm(run, { recursive: true, force: true });
    },
  };
}
