import { expect, test } from 'vitest';
import { bitsPerByte, bitsPerCharacter, perplexity } from './perplexity.ts';

test('a model that knows nothing of 256 bytes takes 8 bits for each', () => {
  expect(perplexity(Math.log(256))).toBeCloseTo(256, 9);
  expect(bitsPerByte(Math.log(256), 100, 100)).toBeCloseTo(8, 12);
  expect(bitsPerCharacter(Math.log(256))).toBeCloseTo(8, 12);
  // Tokens of four bytes each.
  expect(bitsPerByte(Math.log(256), 100, 400)).toBeCloseTo(2, 12);
  expect(() => bitsPerByte(1, 1, 0)).toThrow('0 bytes');
});
