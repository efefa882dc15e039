// Every brick that packages/nn exports, checked; one without a check fails here.
import { describe, expect, test } from 'vitest';
import * as nn from '../../packages/nn/src/index.ts';
import { activationCases } from './activations.ts';
import { adapterCases } from './adapters.ts';
import { layerCases } from './layers.ts';
import { lossCases } from './losses.ts';

const all = { ...layerCases, ...adapterCases, ...activationCases, ...lossCases };

for (const [brick, checks] of Object.entries(all))
  describe(`${brick}`, () => {
    for (const [title, check] of Object.entries(checks))
      test(`${title}`, async () => {
        await expect(Promise.resolve().then(check)).resolves.toBeUndefined();
      });
  });

test('every brick that packages/nn exports is checked', () => {
  const bricks = Object.entries(nn).flatMap(([name, value]) =>
    typeof value === 'function' && typeof (value.prototype as { forward?: unknown } | undefined)?.forward === 'function'
      ? [name]
      : [],
  );
  expect(bricks.length).toBeGreaterThan(18);
  expect(bricks.filter((name) => !(name in all))).toEqual([]);
});
