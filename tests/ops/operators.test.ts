// Every operator that packages/graph exports, checked; one without a check fails here.
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as graph from '../../packages/graph/src/index.ts';
import type { Cases } from './cases.ts';
import { elementwiseCases } from './elementwise.ts';
import { imageCases } from './images.ts';
import { productCases } from './products.ts';
import { quantizedCases } from './quantized.ts';
import { reductionCases } from './reductions.ts';
import { shapeCases } from './shapes.ts';

const all: readonly Cases[] = [elementwiseCases, shapeCases, reductionCases, productCases, quantizedCases, imageCases];

for (const [operator, checks] of all.flatMap((cases) => Object.entries(cases)))
  describe(`${operator}`, () => {
    for (const [title, check] of Object.entries(checks))
      test(`${title}`, async () => {
        await expect(Promise.resolve().then(check)).resolves.toBeUndefined();
      });
  });

// Exports of packages/graph/src/ops that make no tensors.
const helpers = new Set(['axisOf', 'broadcast', 'onnxType']);
const folder = new URL('../../packages/graph/src/ops/', import.meta.url);

test('every operator that packages/graph exports is checked', async () => {
  const exported = new Set<string>();
  for (const file of readdirSync(folder).filter((f) => f.endsWith('.ts') && !f.endsWith('.test.ts')))
    for (const name of Object.keys((await import(new URL(file, folder).pathname)) as object))
      if (name in graph && !helpers.has(name)) exported.add(name);
  const checked = new Set(all.flatMap((cases) => Object.keys(cases)));
  expect(exported.size).toBeGreaterThan(60);
  expect([...exported].filter((name) => !checked.has(name))).toEqual([]);
  expect([...checked].filter((name) => !exported.has(name))).toEqual([]);
});
