import { expect, test } from 'vitest';
import { nearest } from './nearest.ts';

test('nearest finds what was meant in spite of case, separators and small slips, and nothing where nothing is near', () => {
  const names = ['topK', 'topP', 'temperature', 'maxNewTokens'];
  expect(nearest('top_p', names)).toBe('topP');
  expect(nearest('TEMPERATUR', names)).toBe('temperature');
  expect(nearest('max-new-token', names)).toBe('maxNewTokens');
  expect(nearest('beams', names)).toBeNull();
  expect(nearest('x', names)).toBeNull();
});
