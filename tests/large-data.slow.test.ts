// Labelled data far larger than the memory that they are read in: minutes, so nightly (npm run test:slow).
//
// BRICKWORK_DATA_BYTES makes them larger: 5e9 is what is promised.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-large-data-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const built = (name: string): string =>
  JSON.stringify(fileURLToPath(new URL(`../packages/${name}/dist/index.js`, import.meta.url)));
const least = Number(process.env['BRICKWORK_DATA_BYTES'] ?? 1e9);

/** A file of at least so many bytes, and how many rows it has. */
function generate(name: string, row: (i: number) => string): { path: string; rows: number } {
  const path = join(folder, name);
  const file = openSync(path, 'w');
  const block = Array.from({ length: 20_000 }, (_, i) => row(i)).join('');
  let rows = 0;
  for (let bytes = 0; bytes < least; rows += 20_000) bytes += writeSync(file, block);
  closeSync(file);
  return { path, rows };
}

const words = ['the', 'cat', 'sat', 'on', 'a', 'mat', 'and', 'looked', 'at', 'dogs'];
const text = (i: number): string =>
  Array.from({ length: 18 + (i % 9) }, (_, t) => words[(i * 7 + t * 3) % 10]!).join(' ');

/** Reads and encodes in a process of its own: what it found, and the most memory that it had, in bytes. */
function prepared(path: string, o: object): { train: number; validation: number; sum: number; peak: number } {
  const script = `
    const { batchesPerEpoch, classification, exampleBatches, prepareData } = await import(${built('training')});
    const { Tokenizer, tokenizerConfig, trainTokenizer } = await import(${built('tokenizer')});
    const json = await trainTokenizer([${JSON.stringify(words.join(' ').repeat(20))}], { type: 'wordpiece', vocabularySize: 60 });
    const tokenizer = new Tokenizer(json, tokenizerConfig(json));
    const labels = { problem: 'single_label_classification', names: ['even', 'odd'] };
    const task = classification(tokenizer, { padId: 0, limit: 32, labels });
    const data = await prepareData({ files: [${JSON.stringify(path)}], task, tokenizer, cache: ${JSON.stringify(join(folder, 'cache'))}, validation: 0.01, ...${JSON.stringify(o)} });
    // Batches from all over the data, in shuffled order.
    const batches = exampleBatches(data.train, { batchSize: 32, seed: 1, groupBy: 'input_ids', collate: (some, draw) => task.collate(some, draw) });
    let sum = 0;
    for (let i = 0; i < 2000; i += 20) sum += batches.batch(i).count;
    const { count: train } = data.train;
    const { count: validation } = data.validation;
    await data.close();
    console.log(JSON.stringify({ train, validation, sum, peak: process.resourceUsage().maxRSS * 1024 }));
  `;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as ReturnType<typeof prepared>;
}

test.each([
  ['JSONL', 'rows.jsonl', (i: number) => `${JSON.stringify({ text: text(i), label: i % 2 ? 'odd' : 'even' })}\n`],
  ['CSV', 'rows.csv', (i: number) => `${i % 2 ? 'odd' : 'even'},"${text(i)}"\n`],
])(
  '%s is encoded, held out from and trained on in less than 500 MB',
  (_, name, row) => {
    const { path, rows } = generate(name, row);
    try {
      const found = prepared(path, name.endsWith('.csv') ? { header: ['label', 'text'] } : {});
      expect(statSync(path).size).toBeGreaterThanOrEqual(least);
      expect(found.train + found.validation).toBe(rows);
      expect(found.validation / rows).toBeCloseTo(0.01, 3);
      expect(found.sum).toBe(32 * 100);
      expect(found.peak).toBeLessThan(500e6);
    } finally {
      rmSync(path);
      rmSync(join(folder, 'cache'), { recursive: true, force: true });
    }
  },
  7_200_000,
);
