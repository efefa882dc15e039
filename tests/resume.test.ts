// A training run killed with SIGKILL at any moment and resumed ends with the very bits of one that was left alone.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'brickwork-resume-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const corpus = join(folder, 'corpus.txt');
writeFileSync(corpus, Array.from({ length: 300 }, (_, i) => `line ${i} counts ${(i * 7919) % 997} things.\n`).join(''));

const args = (out: string): string[] => [
  ...['lm', 'pretrain', corpus, '--out', join(folder, out), '--json', '--resume'],
  ...['--max-steps', '40', '--eval-steps', '6', '--gradient-accumulation', '2', '--dropout', '0.1'],
  ...['--layers', '2', '--width', '32', '--heads', '2', '--context', '32', '--batch-size', '4'],
];

/** Runs the command; kills it after it has printed the given number of lines. */
async function run(out: string, killAfter = Infinity): Promise<number | null> {
  const child = spawn(process.execPath, args(out), { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let lines = 0;
  let errors = '';
  child.stderr.on('data', (d: Buffer) => (errors += d.toString()));
  child.stdout.on('data', (d: Buffer) => {
    lines += d.toString().split('\n').length - 1;
    if (lines >= killAfter) child.kill('SIGKILL');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0 && code !== null) throw new Error(errors);
  return code;
}

test('killed five times and resumed, the weights and the optimizer are bit for bit the same', async () => {
  expect(await run('whole')).toBe(0);
  let killed = 0;
  for (const lines of [2, 9, 14, 11, 17]) if ((await run('killed', lines)) === null) killed++;
  expect(killed).toBeGreaterThanOrEqual(4);
  expect(await run('killed')).toBe(0);
  for (const file of ['model.safetensors', '../killed.run/state.safetensors', '../killed.run/metrics.jsonl']) {
    const whole = readFileSync(join(folder, 'whole', file.replace('killed', 'whole')));
    expect(readFileSync(join(folder, 'killed', file)).equals(whole), file).toBe(true);
  }
}, 120_000);
