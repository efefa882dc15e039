// The memory that a run takes, measured in a process of its own, beside what was estimated before it.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { longestExamples, memoryStore, type MemoryEstimate } from '../../packages/training/src/index.ts';

const child = fileURLToPath(new URL('../../scripts/bench/memory-brickwork.mjs', import.meta.url));
const size = { layers: 6, C: 192, B: 4, T: 128, V: 1000 };
const run = (method: 'full' | 'lora', recompute: boolean): { estimate: MemoryEstimate; peak: number } =>
  JSON.parse(
    execFileSync(process.execPath, [child, JSON.stringify({ ...size, method, recompute })], { encoding: 'utf8' }),
  ) as { estimate: MemoryEstimate; peak: number };

// What the engine's allocator keeps was measured with glibc's.
describe.skipIf(process.platform !== 'linux')('the peak of fine-tuning', () => {
  test.each(['full', 'lora'] as const)('%s: is within a quarter of the estimate, and lower checkpointed', (method) => {
    const [plain, checkpointed] = [run(method, false), run(method, true)];
    for (const { estimate, peak } of [plain, checkpointed]) {
      expect(estimate.total / peak).toBeGreaterThan(0.75);
      expect(estimate.total / peak).toBeLessThan(1.25);
    }
    expect(checkpointed.peak).toBeLessThan(0.9 * plain.peak);
    expect(checkpointed.estimate.total).toBeLessThan(0.9 * plain.estimate.total);
  });
});

test('the longest examples of a store are found, and repeated where there are too few', () => {
  const lengths = [3, 9, 1, 9, 5];
  const store = memoryStore(
    lengths.map((n, i) => ({ input_ids: new Int32Array(n).fill(i), labels: new Int32Array(i === 3 ? 2 : 1) })),
  );
  expect(longestExamples(store, 3, 'input_ids').map((e) => e['input_ids']![0])).toEqual([3, 1, 4]);
  expect(longestExamples(store, 7, 'input_ids').map((e) => e['input_ids']!.length)).toEqual([9, 9, 5, 3, 1, 9, 9]);
});
