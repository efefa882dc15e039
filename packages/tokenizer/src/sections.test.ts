import { expect, test } from 'vitest';
import { sectionFinder } from './sections.ts';
import { specialToken } from './tokenizer-json.ts';

const find = (text: string, tokens: readonly (readonly [content: string, more?: object])[]): string[] => {
  const all = new Map(tokens.map(([content, more], id) => [content, { ...specialToken(content, id), ...more }]));
  return sectionFinder(
    [...all.keys()],
    all,
  )(text).map(({ start, end, token }) => (token ? `<${text.slice(start, end)}>` : text.slice(start, end)));
};

test('the longest token at a place is found, the leftmost first', () => {
  expect(find('xabcabd', [['ab'], ['abc'], ['bd']])).toEqual(['x', '<abc>', '<ab>', 'd']);
  expect(find('', [['a']])).toEqual([]);
  expect(find('abc', [])).toEqual(['abc']);
});

test('signs of patterns are characters', () => {
  expect(find('a.*+?^${}()|[]\\/-b', [['.*+?^${}()|[]\\/-']])).toEqual(['a', '<.*+?^${}()|[]\\/->', 'b']);
});

test('a token takes the spaces beside it where its flags say so', () => {
  expect(find('a  <s>  b', [['<s>', { lstrip: true }]])).toEqual(['a', '<<s>>', '  b']);
  expect(find('a  <s>  b', [['<s>', { rstrip: true }]])).toEqual(['a  ', '<<s>>', 'b']);
  expect(find(' <s> ', [['<s>', { lstrip: true, rstrip: true }]])).toEqual(['<<s>>']);
});
