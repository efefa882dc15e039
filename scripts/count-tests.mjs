// Prints the outcome in vitest's JSON report as '412 passed, 0 failed, 3 skipped'. The exit code is 1 where it's not good.
//
//   node scripts/count-tests.mjs REPORT
import { readFileSync } from 'node:fs';
import process from 'node:process';

/** The report; null where vitest ended before it wrote one. */
function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}

const files = read(process.argv[2])?.testResults ?? null;
const tests = files?.flatMap((file) => file.assertionResults) ?? [];
const count = (status) => tests.filter((test) => test.status === status).length;
// A file that doesn't load, or whose set-up fails, has no failed test of its own.
const broken = files?.filter(
  (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
);
const passed = count('passed');
const failed = files === null ? 1 : count('failed') + broken.length;
process.stdout.write(`${passed} passed, ${failed} failed, ${tests.length - passed - count('failed')} skipped\n`);
if (failed || !passed) process.exitCode = 1;
