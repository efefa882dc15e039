import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readMetrics } from './metrics.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-metrics-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'metrics.jsonl');

test('reads every line but one that is still being written', async () => {
  const lines = [
    { step: 1, loss: 2, rate: 0.1, norm: 1 },
    { step: 1, validation: 2, validationPerCharacter: 1 },
  ];
  writeFileSync(path, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n{"step":2,"lo`);
  expect(await readMetrics(path)).toEqual(lines);
  writeFileSync(path, '');
  expect(await readMetrics(path)).toEqual([]);
});

test('a line that is no entry is named', async () => {
  for (const line of ['{"step":1', 'null', '{"loss":1}', '7', '']) await writeAndFail(`{"step":1,"loss":1}\n${line}\n`);
  async function writeAndFail(text: string): Promise<void> {
    writeFileSync(path, text);
    await expect(readMetrics(path)).rejects.toThrow(/line 2 is not an entry/);
  }
});
