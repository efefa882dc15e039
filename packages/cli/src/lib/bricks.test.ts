import { expect, test } from 'vitest';
import { brickRows } from './bricks.ts';

test('bricks that repeat are one row, those of another shape their own', () => {
  const weight = (name: string, ...shape: number[]) => ({ name, shape, dtype: 'float32' });
  expect(
    brickRows([
      weight('wte.weight', 5, 2),
      weight('h.0.fc.weight', 2, 3),
      weight('h.0.fc.bias', 3),
      weight('h.1.fc.weight', 2, 3),
      weight('h.1.fc.bias', 3),
      weight('h.2.fc.weight', 2, 4),
      weight('scale'),
    ]),
  ).toMatchObject([
    { brick: 'wte', copies: 1, parameters: 10 },
    { brick: 'h.*.fc', copies: 2, parameters: 18, weights: [{ name: 'weight' }, { name: 'bias' }] },
    { brick: 'h.*.fc', copies: 1, parameters: 8 },
    { brick: '', copies: 1, parameters: 1 },
  ]);
});
