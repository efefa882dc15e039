// A folder that a command writes a model into.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { usage } from './errors.ts';

/** @throws where it can't be one: it is a file, or holds something else than a model. */
export function checkOutFolder(out: string): void {
  if (!existsSync(out)) return;
  if (!statSync(out).isDirectory()) throw usage(`--out ${out}: it is a file`);
  if (readdirSync(out).length && !existsSync(join(out, 'config.json')))
    throw usage(`--out ${out}: the folder holds something else than a model`, 'a new folder, or an empty one');
}
