import { expect, test } from 'vitest';
import { nearest } from './nearest.ts';

const known = ['generate', 'pretrain', 'temperature', 'top-k', 'repetition-penalty', 'bpe', 'json'];

test.each([
  ['genrate', 'generate'],
  ['temprature', 'temperature'],
  ['topk', 'top-k'],
  ['bep', 'bpe'],
  ['rep', 'repetition-penalty'],
  ['repetition', 'repetition-penalty'],
  ['xyzzy', null],
  ['b', null],
])('the word nearest to %s is %s', (word, expected) => {
  expect(nearest(word, known)).toBe(expected);
});
