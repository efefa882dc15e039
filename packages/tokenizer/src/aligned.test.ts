import { expect, test } from 'vitest';
import { aligned, range, realign, slice } from './aligned.ts';

/** What each unit of the result stands for. */
function origins(text: string, apply: (text: string) => string): string[] {
  const a = realign(aligned(text), apply(text), apply);
  expect(a.text).toBe(apply(text));
  return Array.from({ length: a.text.length }, (_, i) => text.slice(...range(a, i, i + 1)));
}

test('units stand for the characters that became them', () => {
  expect(origins('aÉ', (text) => text.normalize('NFD'))).toEqual(['a', 'É', 'É']);
  expect(origins('ae\u0301b', (text) => text.normalize('NFC'))).toEqual(['a', 'e\u0301', 'b']);
  expect(origins('aßb', (text) => text.toUpperCase())).toEqual(['a', 'ß', 'ß', 'b']);
  expect(origins('ΣΑΣ b', (text) => text.toLowerCase())).toEqual(['Σ', 'Α', 'Σ', ' ', 'b']);
  expect(origins('e\u0301x', (text) => text.normalize('NFD').replace(/\p{M}/gu, ''))).toEqual(['e', 'x']);
  expect(origins('각 a', (text) => text.normalize('NFC'))).toEqual(['각', ' ', 'a']);
});

test('what was put before a text stands for its first character, what was taken away for nothing', () => {
  expect(origins('ab', (text) => `▁${text}`)).toEqual(['a', 'a', 'b']);
  expect(origins('  a b ', (text) => text.trim())).toEqual(['a', ' ', 'b']);
  expect(origins('', (text) => text)).toEqual([]);
});

test('where a step cannot be taken apart, the changed part stands for the changed part', () => {
  expect(origins('xabcy', (text) => text.replace('abc', 'Z'))).toEqual(['x', 'abc', 'y']);
});

test('parts of a part keep their places', () => {
  const part = slice(aligned('hello', 10), 1, 4);
  expect([part.text, range(part, 0, 3), range(part, 1, 2)]).toEqual(['ell', [11, 14], [12, 13]]);
  expect(range(slice(part, 3, 3), 0, 0)).toEqual([14, 14]);
});
