// A training process killed with SIGKILL at moments that nobody chose, and resumed until it is done, writes the bytes of
// one that was left alone. Checkpoints are written at every step, so that kills hit those too.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'brickwork-kill-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const built = (name: string): string =>
  JSON.stringify(fileURLToPath(new URL(`../../packages/${name}/dist/index.js`, import.meta.url)));

const script = (folder: string): string => `
  const { GPT2LMHeadModel } = await import(${built('transformer')});
  const { memoryTokens, pretrain } = await import(${built('training')});
  const ids = Int32Array.from({ length: 500 }, (_, i) => (i * i) % 13);
  const data = { train: memoryTokens(ids.subarray(0, 400)), validation: memoryTokens(ids.subarray(400)), charactersPerToken: 1, fingerprint: 'squares' };
  const model = new GPT2LMHeadModel({ vocab_size: 13, n_positions: 8, n_embd: 16, n_layer: 1, n_head: 2 });
  console.log('ready');
  for await (const e of pretrain(model, data, {
    steps: 60, batchSize: 2, accumulate: 2, rate: 1e-2, evaluateEvery: 7, saveEvery: 1, keepBest: true, schedule: 'plateau',
    folder: ${JSON.stringify(folder)}, resume: true, picture: false, measurePeak: false, compile: { threads: 1 },
  })) if (e.type === 'end') process.exit(e.aborted ? 3 : 0);
`;

/** Runs to the end, or for so many milliseconds after it has loaded; true where it came to the end. */
async function run(folder: string, milliseconds = Infinity): Promise<boolean> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script(folder)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (d: Buffer) => (errors += d.toString()));
  child.stdout.once('data', () => milliseconds < Infinity && setTimeout(() => child.kill('SIGKILL'), milliseconds));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(errors);
  return code === 0;
}

test('killed at any moment and resumed, checkpoint, best weights and metrics are bit for bit the same', async () => {
  const [whole, killed] = [join(root, 'whole'), join(root, 'killed')];
  expect(await run(whole)).toBe(true);
  let kills = 0;
  for (let i = 0; i < 40; i++) {
    // From 40 ms on; up to 290, later more, so that a slow machine comes to an end too.
    if (await run(killed, i < 8 ? 40 + ((i * 97) % 251) : Infinity)) break;
    kills++;
  }
  expect(kills).toBeGreaterThan(2);
  expect(readdirSync(killed).toSorted()).toEqual(readdirSync(whole).toSorted());
  for (const name of readdirSync(whole))
    expect(readFileSync(join(killed, name)).equals(readFileSync(join(whole, name))), name).toBe(true);
}, 120_000);
