import { expect, test } from 'vitest';
import { measurePeak } from './peak.ts';

test('measures something that a machine may do', async () => {
  const peak = await measurePeak({ seconds: 0, compile: { threads: 1 } });
  expect(peak).toBeGreaterThan(1e7);
  expect(peak).toBeLessThan(1e16);
});

test('stops on a signal, and refuses engines that are not there', async () => {
  await expect(measurePeak({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  await expect(measurePeak({ compile: { threads: 0 } })).rejects.toThrow('threads is 0');
});
