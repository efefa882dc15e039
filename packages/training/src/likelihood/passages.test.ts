// Passages and what is held out.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutPassages, holdOut, stripGutenberg } from './passages.ts';

const words = (n: number): string => Array.from({ length: n }, (_, i) => `w${i}`).join(' ');

test('passages have so many words, and together they are the text', () => {
  expect(cutPassages(words(250), 100).map((p) => p.split(' ').length)).toEqual([100, 100, 50]);
  expect(cutPassages(words(240), 100).map((p) => p.split(' ').length)).toEqual([100, 140]);
  expect(cutPassages('one two', 100)).toEqual(['one two']);
  expect(cutPassages(' \n', 5)).toEqual([]);
  expect(() => cutPassages('a', 0)).toThrow('words is 0');
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'bc', ' ', '\n')), fc.integer({ min: 1, max: 5 }), (parts, n) => {
      const text = parts.join('');
      const passages = cutPassages(text, n);
      expect(passages.join(' ').split(/\s+/).join()).toBe(text.trim().split(/\s+/).join());
    }),
  );
});

test('the end is held out, as one block that nothing was taken from', () => {
  const text = words(100);
  const { train, held } = holdOut([text], 0.1);
  expect(`${train[0]} ${held[0]}`).toBe(text);
  expect(held[0]!.length / text.length).toBeCloseTo(0.1, 1);
  const texts = Array.from({ length: 10 }, (_, i) => `text ${i}`);
  expect(holdOut(texts, 0.2)).toEqual({ train: texts.slice(0, 8), held: texts.slice(8) });
  const novels = [words(500), words(500)];
  const two = holdOut(novels, 0.1);
  expect([two.train[0], `${two.train[1]} ${two.held[0]}`]).toEqual(novels);
  expect(two.held[0]!.length / novels.join('').length).toBeCloseTo(0.1, 2);
  expect(holdOut(['a b'], 0)).toEqual({ train: ['a b'], held: [] });
  expect(() => holdOut(['a'], 1)).toThrow('share is 1');
});

test('Project Gutenberg’s header and licence are left out', () => {
  const file =
    '\uFEFFThe Project Gutenberg EBook\r\n*** START OF THIS PROJECT GUTENBERG EBOOK X ***\r\n\r\nIt was.\r\n\r\n*** END OF THIS PROJECT GUTENBERG EBOOK X ***\r\nlicence';
  expect(stripGutenberg(file)).toBe('It was.');
  expect(stripGutenberg('plain *** text')).toBe('plain *** text');
});
