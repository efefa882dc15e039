import { expect, test } from 'vitest';
import { table } from './table.ts';

test('columns are as wide as their widest cell, without spaces at the ends of lines', () => {
  expect(
    table(
      [
        ['name', 'size'],
        ['a', '1,000'],
        ['longer', ''],
      ],
      [1],
    ),
  ).toBe('name     size\na       1,000\nlonger\n');
});
