// The small recipe reaches what nanoGPT publishes for its configuration: minutes, so nightly (npm run test:slow).
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { hasShared, sharedPath } from './fixtures.ts';

const recipe = fileURLToPath(new URL('../scripts/recipes/nanogpt-cpu.sh', import.meta.url));
const isHere = hasShared && process.platform !== 'win32';

test.skipIf(!isHere)('nanogpt-cpu.sh reaches 1.88 nats a character on tinyshakespeare (needs ../shared)', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'brickwork-'));
  try {
    const args = [recipe, sharedPath('data/tinyshakespeare/input.txt'), join(folder, 'model')];
    await promisify(execFile)('bash', args);
    const lines = readFileSync(join(folder, 'model.run', 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n');
    const last = JSON.parse(lines.at(-1)!) as { step: number; validationPerCharacter: number };
    expect(last.step).toBe(2000);
    expect(last.validationPerCharacter).toBeLessThan(1.88);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
