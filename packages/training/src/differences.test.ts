import { expect, test } from 'vitest';
import { differences } from './differences.ts';

test('differences names every leaf that changed, by its path', () => {
  const before = { rate: 1, config: { layers: 4, names: ['a', 'b'] }, gone: null };
  const now = { rate: 1, config: { layers: 6, names: ['a', 'c'] }, added: true };
  expect(differences(before, now)).toEqual([
    'config.layers was 4, is 6',
    'config.names.1 was "b", is "c"',
    'gone was null, is not set',
    'added was not set, is true',
  ]);
});

test('equal values, deep and shallow, have no differences', () => {
  expect(differences({ a: [1, { b: null }] }, { a: [1, { b: null }] })).toEqual([]);
  expect(differences(NaN, NaN)).toEqual([]);
  expect(differences([1], { 0: 1 })).toEqual(['the value was [1], is {"0":1}']);
});
