import { expect, test } from 'vitest';
import { bytes, count } from './progress.ts';

test.each([
  [0, '0 bytes'],
  [999, '999 bytes'],
  [1000, '1.0 kB'],
  [3_239_424, '3.2 MB'],
  [2.5e12, '2.5 TB'],
])('%d is %s', (n, text) => {
  expect(bytes(n)).toBe(text);
});
test('numbers have their thousands apart', () => {
  expect(count(1_234_567.8)).toBe('1,234,568');
});
