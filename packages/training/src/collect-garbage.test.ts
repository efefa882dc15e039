import { expect, test } from 'vitest';
import { collectGarbage } from './collect-garbage.ts';

test('arrays that nobody holds are freed now', () => {
  const before = process.memoryUsage().arrayBuffers;
  let held: Float32Array | null = new Float32Array(2 ** 24);
  held[5] = 1;
  expect(process.memoryUsage().arrayBuffers - before).toBeGreaterThanOrEqual(2 ** 26);
  held = null;
  collectGarbage();
  collectGarbage(); // memory of the first is given back while the program goes on
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 25);
});
