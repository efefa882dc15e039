// Promises of the line that ends .ci/run (scripts/count-tests.mjs).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const script = fileURLToPath(new URL('../scripts/count-tests.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'brickwork-count-'));
afterAll(() => rmSync(folder, { recursive: true }));

function count(report: string): [stdout: string, status: number | null] {
  const path = join(folder, 'report.json');
  writeFileSync(path, report);
  const { stdout, status } = spawnSync(process.execPath, [script, path], { encoding: 'utf8' });
  return [stdout, status];
}
const file = (status: string, ...tests: string[]): object => ({
  status,
  assertionResults: tests.map((one) => ({ status: one })),
});
const report = (...testResults: object[]): string => JSON.stringify({ testResults });

test('counts tests over all files, todo as skipped', () => {
  const all = report(file('passed', 'passed', 'passed', 'skipped'), file('passed', 'passed', 'todo', 'pending'));
  expect(count(all)).toEqual(['3 passed, 0 failed, 3 skipped\n', 0]);
});

test('a failed test fails', () => {
  expect(count(report(file('failed', 'passed', 'failed')))).toEqual(['1 passed, 1 failed, 0 skipped\n', 1]);
});

test('a file that doesn’t load, or whose set-up fails, is a failure', () => {
  const all = report(file('failed'), file('failed', 'passed', 'skipped'));
  expect(count(all)).toEqual(['1 passed, 2 failed, 1 skipped\n', 1]);
});

test('no report, or one with nothing in it, is not a success', () => {
  expect(count('{"testRes')).toEqual(['0 passed, 1 failed, 0 skipped\n', 1]);
  expect(count(report())).toEqual(['0 passed, 0 failed, 0 skipped\n', 1]);
});
