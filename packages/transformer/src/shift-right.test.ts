import { input } from '@brickwork/graph';
import { compile, hostTensor } from '@brickwork/runtime';
import { expect, test } from 'vitest';
import { shiftRight } from './shift-right.ts';

test.each([
  ['known sizes', [2, 4]],
  ['any sizes', ['B', 'T']],
] as const)('labels move one place on behind the start token, and -100 becomes padding: %s', async (_, shape) => {
  const program = await compile({ ids: shiftRight(input('labels', shape, 'int64'), { start: 9, pad: 7 }) });
  const labels = hostTensor(BigInt64Array.of(3n, 4n, 5n, 6n, 8n, -100n, -100n, -100n), [2, 4]);
  const { ids } = await program.run({ labels });
  expect(ids!.shape).toEqual([2, 4]);
  expect(Array.from(ids!.data, Number)).toEqual([9, 3, 4, 5, 9, 8, 7, 7]);
  await program.dispose();
});
