// lm as a process of its own, built: a reader that goes away, signals, and streams that fail.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { tiny } from './lm.ts';

const bin = fileURLToPath(new URL('../../packages/cli/dist/bin.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'brickwork-process-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const corpus = join(folder, 'corpus.txt');
writeFileSync(corpus, Array.from({ length: 300 }, (_, i) => `line ${i} counts ${(i * 7919) % 997} things.\n`).join(''));
const endless = ['generate', 'ROMEO:', '-n', '1000000', '--context-shift', '--temperature', '1'];

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
/** Runs lm; `act` is called once, when stdout has something that `when` matches. */
async function run(
  args: readonly string[],
  when: RegExp,
  act: (child: ReturnType<typeof spawn>) => void,
): Promise<Ended> {
  const child = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr, done] = ['', '', false];
  child.stdout.on('data', (data: Buffer) => {
    stdout += data.toString();
    if (!done && when.test(stdout)) {
      done = true;
      act(child);
    }
  });
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

describe.skipIf(!existsSync(bin))('lm', () => {
  test('ends in silence where its reader goes away, as in lm … | head', async () => {
    const { code, stderr } = await run(endless, /^ROMEO:[^]{20}/, (child) => child.stdout!.destroy());
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test('SIGINT ends a text cleanly with 130', async () => {
    const { code, stdout, stderr } = await run(endless, /^ROMEO:[^]{20}/, (child) => child.kill('SIGINT'));
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    expect(stdout.endsWith('\n')).toBe(true);
  });

  test('a run whose reader goes away leaves a checkpoint', async () => {
    const out = join(folder, 'run');
    const long = tiny.map((flag, i) => (tiny[i - 1] === '--max-steps' ? '100000' : flag));
    const { code, stderr } = await run(['pretrain', corpus, '-o', out, ...long, '--json'], /"step":3,/, (child) =>
      child.stdout!.destroy(),
    );
    expect(code).toBe(0);
    expect(stderr).toContain('the checkpoint is in');
    expect(existsSync(`${out}.run/state.safetensors`)).toBe(true);
  });

  test.skipIf(!existsSync('/dev/full'))('a disk that is full is an error', async () => {
    const child = spawn('sh', ['-c', `exec "${process.execPath}" "${bin}" tokenizer encode hello > /dev/full`]);
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    expect(stderr).toContain('stdout can’t be written to');
    expect(code).toBe(1);
  });
});
