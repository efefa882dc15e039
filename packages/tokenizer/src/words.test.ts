import fc from 'fast-check';
import { expect, test } from 'vitest';
import { awkward } from './awkward.fixture.ts';
import { GPT2_PATTERN, wordScanner } from './words.ts';

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.constantFrom(...awkward), { maxLength: 20 }).map((parts) => parts.join('')),
);

function split(text: string, space: 'unicode' | 'javascript'): string[] {
  const wordEnd = wordScanner(space);
  const words = [];
  for (let i = 0; i < text.length;) {
    const end = wordEnd(text, i);
    words.push(text.slice(i, end));
    i = end;
  }
  return words;
}

function checkPattern(pattern: string, space: 'unicode' | 'javascript'): void {
  const regex = new RegExp(pattern, 'gu');
  fc.assert(
    fc.property(anyText, (text) => {
      expect(split(text, space)).toEqual(text.match(regex) ?? []);
    }),
    { numRuns: 2000 },
  );
}

test('the scanner splits any text as the JavaScript regular expression does', () => {
  checkPattern(GPT2_PATTERN, 'javascript');
});

test('the scanner splits any text as the pattern with Unicode white space does', () => {
  checkPattern(GPT2_PATTERN.replaceAll('\\s', '\\p{White_Space}').replaceAll('\\S', '\\P{White_Space}'), 'unicode');
});

test('a stop cuts a long word, but no surrogate pair', () => {
  const wordEnd = wordScanner('unicode');
  expect(wordEnd('aaaa', 0, 3)).toBe(3);
  expect(wordEnd('a𝒜𝒜', 0, 2)).toBe(1);
  expect(wordEnd('𝒜𝒜', 0, 1)).toBe(2);
  expect(wordEnd('    ', 0, 2)).toBe(2);
});
