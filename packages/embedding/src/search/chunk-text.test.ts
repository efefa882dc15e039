import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chunkText } from './chunk-text.ts';

const visible = (text: string): string => text.replace(/\s+/g, '');

test('nothing is lost or doubled, passages fit, and places are right, whatever the text', () => {
  const part = fc.oneof(
    fc.constantFrom(
      'a word. ',
      'Is it? ',
      'long'.repeat(20),
      '\n\n',
      '\r\n\r\n',
      '\n',
      '日本語の文。',
      '👩‍👩‍👧 ',
      ' ',
      'é',
    ),
    fc.string({ unit: 'grapheme', maxLength: 8 }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 40 }), fc.integer({ min: 1, max: 12 }), (parts, size) => {
      const text = parts.join('');
      const measure = (piece: string): number => Math.ceil(piece.length / 6);
      const chunks = chunkText(text, { size, measure });
      expect(visible(chunks.map((chunk) => chunk.text).join(''))).toBe(visible(text));
      for (const { text: own, start, end, line, endLine } of chunks) {
        expect(text.slice(start, end)).toBe(own);
        expect(own.trim()).toBe(own);
        expect(line).toBe(text.slice(0, start).split('\n').length);
        expect(endLine).toBe(text.slice(0, end).split('\n').length);
      }
    }),
  );
});

test('paragraphs stay whole where they fit, then sentences, then words, then signs', () => {
  const text = 'One two three.\n\nFour five six. Seven eight nine.\n\nTen.';
  expect(chunkText(text, { size: 3 }).map((c) => c.text)).toEqual([
    'One two three.',
    'Four five six.',
    'Seven eight nine.',
    'Ten.',
  ]);
  expect(chunkText(text, { size: 9 }).map((c) => c.text)).toEqual([
    'One two three.\n\nFour five six. Seven eight nine.',
    'Ten.',
  ]);
  expect(chunkText('one two three four', { size: 2 }).map((c) => c.text)).toEqual(['one two', 'three four']);
  expect(chunkText('abcdef 👍🏽x', { size: 4, measure: (t) => t.length }).map((c) => c.text)).toEqual([
    'abcd',
    'ef',
    '👍🏽',
    'x',
  ]);
});

test('passages overlap by what fits, and always go on', () => {
  const text = Array.from({ length: 20 }, (_, i) => `s${i} x y z.`).join(' ');
  const chunks = chunkText(text, { size: 12, overlap: 4 });
  for (const [i, chunk] of chunks.slice(1).entries()) {
    expect(chunk.start).toBeLessThan(chunks[i]!.end);
    expect(chunk.end).toBeGreaterThan(chunks[i]!.end);
    expect(chunk.text.split(/\s+/).length).toBeLessThanOrEqual(12);
  }
  expect(chunks.at(-1)!.end).toBe(text.length);
});

test('an empty text has no passages, and what makes no sense is told', () => {
  expect(chunkText(' \n\n ')).toEqual([]);
  expect(() => chunkText('a', { size: 0 })).toThrow('size is 0');
  expect(() => chunkText('a', { size: 5, overlap: 5 })).toThrow('overlap is 5');
});
