// What the benchmarks share: each side in a process of its own, in turn, and medians.
import { spawnSync } from 'node:child_process';
import process from 'node:process';

/** The value in the middle. */
export const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** A line on stderr. */
export const log = (line) => process.stderr.write(`${line}\n`);

/** Runs a program, and reads the JSON of its last line. @throws where it fails. */
export function run(command, args, env = {}) {
  const r = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, ...env }, maxBuffer: 1 << 28 });
  if (r.status !== 0) throw new Error(`${command} ${args[0]} failed: ${r.stderr || r.error}`);
  return JSON.parse(r.stdout.trim().split('\n').at(-1));
}

/** A Python that has a module; undefined where there is none. */
export const pythonWith = (module) =>
  ['/usr/bin/python3', 'python3'].find((p) => spawnSync(p, ['-c', `import ${module}`]).status === 0);
