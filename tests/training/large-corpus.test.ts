// A corpus much larger than the memory that a process may use is tokenized, and trained on in windows read from disk.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, closeSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-large-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('180 MB of text need less than 150 MB beyond what the process has without them', () => {
  const path = join(folder, 'corpus.txt');
  const file = openSync(path, 'w');
  const block = Array.from({ length: 30_000 }, (_, i) => `line ${i} of a corpus, ${(i * 7919) % 997}\n`).join('');
  let bytes = 0;
  while (bytes < 180e6) bytes += writeSync(file, block);
  closeSync(file);
  const script = `
    const { tokenDataset, batchAt, allBatches } = await import(${JSON.stringify(fileURLToPath(new URL('../../packages/training/dist/index.js', import.meta.url)))});
    // A token for every word and line end, from 0 to 65535: small pieces are encoded at a time.
    const encoder = { json: 'words', vocabularySize: 65536, encode(text) {
      const ids = new Uint16Array(text.length);
      let [n, hash] = [0, 0];
      for (let i = 0; i < text.length; i++) {
        const c = text.charCodeAt(i);
        if (c > 32) hash = (hash * 31 + c) & 65535;
        else { ids[n++] = hash; hash = 0; }
      }
      return { ids: ids.subarray(0, n) };
    } };
    globalThis.gc();
    const before = process.memoryUsage.rss();
    let highest = 0;
    const watch = () => { highest = Math.max(highest, process.memoryUsage.rss()); };
    const data = await tokenDataset([${JSON.stringify(path)}], encoder, { cache: ${JSON.stringify(join(folder, 'cache'))}, inMemory: 0, onProgress: watch });
    let sum = 0;
    for (let number = 0; number < 200; number++) sum += Number(batchAt(data.train, { seed: 1, number, B: 8, T: 64 }).batch.ids[0]);
    for (const { count } of allBatches({ ...data.validation, length: 20000, read: data.validation.read }, 8, 64)) sum += count;
    watch();
    console.log(JSON.stringify({ tokens: data.train.length + data.validation.length, sum, used: (highest - before) / 1e6 }));
  `;
  const r = spawnSync(
    process.execPath,
    ['--expose-gc', '--max-old-space-size=64', '--max-semi-space-size=2', '--input-type=module', '-e', script],
    { encoding: 'utf8' },
  );
  expect(r.stderr).toBe('');
  const { tokens, used } = JSON.parse(r.stdout) as { tokens: number; used: number };
  expect(tokens).toBeGreaterThan(20e6);
  expect(used).toBeLessThan(150);
}, 120_000);
