import { expect, test } from 'vitest';
import { layout } from '../flat-store.ts';
import { decayGroups } from './optimizer.ts';

const { parts } = layout(
  new Map([
    ['wte.weight', [5, 4]],
    ['ln.weight', [4]],
    ['bias', [4]],
    ['conv.weight', [2, 3, 3, 3]],
    ['scale', []],
  ]),
);

test('only tensors of two or more dimensions decay', () => {
  expect(decayGroups(parts).map((p) => p.decay)).toEqual([true, false, false, true, false]);
});

test('another rule may decide by shape and name', () => {
  const groups = decayGroups(parts, (shape, name) => shape.length >= 2 && !name.startsWith('wte'));
  expect(groups.map((p) => p.decay)).toEqual([false, false, false, true, false]);
  expect(groups[3]).toEqual({ begin: 64, end: 118, decay: true });
});
