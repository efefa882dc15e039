import { expect, test } from 'vitest';
import { exactMatch, normalizeAnswer, wordF1 } from './answers.ts';

test('articles, punctuation, case and spaces don’t count', () => {
  expect(normalizeAnswer('  The  U.S.A. is a "Country" ')).toBe('usa is country');
  expect(normalizeAnswer('another theme')).toBe('another theme');
  expect(exactMatch('the Denver Broncos.', ['Broncos', 'Denver Broncos'])).toBe(1);
  expect(exactMatch('Denver', ['Denver Broncos'])).toBe(0);
});

test('F1 is of the words in common, with the best answer', () => {
  expect(wordF1('Denver', ['Denver Broncos', 'Panthers'])).toBeCloseTo(2 / 3, 12);
  expect(wordF1('a b b c', ['b b b d'])).toBeCloseTo((2 * 2) / 7, 12); // 'a' is an article
  expect(wordF1('x', ['y'])).toBe(0);
  expect(wordF1('', [''])).toBe(1);
  expect(wordF1('', ['y'])).toBe(0);
  expect(wordF1('x', [])).toBe(0);
});
