import { expect, test } from 'vitest';
import { findProvider } from './find-provider.ts';

test('what can’t be used here is named with its reason, and the first that works is taken', async () => {
  const { provider, refused } = await findProvider(['tensorrt', 'nonsense' as never, 'cpu', 'webgpu']);
  expect(provider).toBe('cpu');
  expect(refused.map((one) => one.provider)).toEqual(['tensorrt', 'nonsense']);
  for (const { reason } of refused) expect(reason).toMatch(/^compile: the provider/);
});

test('where nothing works, the CPU does', async () => {
  expect(await findProvider([])).toEqual({ provider: 'cpu', refused: [] });
});
