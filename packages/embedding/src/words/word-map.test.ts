import { random } from '@brickwork/nn';
import { expect, test } from 'vitest';
import { wordMapPage, wordMapPicture } from './word-map-picture.ts';
import { wordMap } from './word-map.ts';
import { WordVectors } from './word-vectors.ts';

// Two groups far apart in eight dimensions.
const draw = random(4);
const words = Array.from({ length: 24 }, (_, i) => `${i % 2 ? 'x' : 'y'}${i}`);
const vectors = new WordVectors(
  words,
  Float32Array.from({ length: 24 * 8 }, (_, i) => 0.2 * draw.normal() + (Math.floor(i / 8) % 2 === i % 2 ? 1 : -1)),
);

test.each(['pca', 'umap'] as const)('%s puts groups apart, the same way each time', async (method) => {
  const map = await wordMap(vectors, words, { method });
  expect(await wordMap(vectors, words, { method })).toEqual(map);
  const distance = (a: number, b: number): number => Math.hypot(map[a]!.x - map[b]!.x, map[a]!.y - map[b]!.y);
  const mean = (pairs: number[][]): number => pairs.reduce((sum, [a, b]) => sum + distance(a!, b!), 0) / pairs.length;
  const pairs = words.flatMap((_, a) => words.map((_, b) => [a, b])).filter(([a, b]) => a! < b!);
  const within = mean(pairs.filter(([a, b]) => (a! + b!) % 2 === 0));
  const between = mean(pairs.filter(([a, b]) => (a! + b!) % 2 === 1));
  expect(between).toBeGreaterThan(2 * within);
});

test('by PCA a plane stays as it is', async () => {
  const square = new WordVectors(['a', 'b', 'c', 'd'], Float32Array.of(1, 0, 0, 1, -1, 0, 0, -1));
  const map = await wordMap(square, ['a', 'b', 'c', 'd']);
  const distance = (a: number, b: number): number => Math.hypot(map[a]!.x - map[b]!.x, map[a]!.y - map[b]!.y);
  expect(distance(0, 1)).toBeCloseTo(Math.SQRT2, 6);
  expect(distance(0, 2)).toBeCloseTo(2, 6);
});

test('a picture has each word once, labels that don’t overlap, and arrows', async () => {
  const map = await wordMap(vectors, words);
  const svg = wordMapPicture(map, { title: 'A & B', arrows: [['x1', 'y2']] });
  for (const word of words) expect(svg.split(`<title>${word}</title>`)).toHaveLength(2);
  expect(svg).toContain('A &amp; B');
  expect(svg.match(/<line /g)).toHaveLength(1);
  const boxes = [...svg.matchAll(/<text x="([\d.-]+)" y="([\d.-]+)" fill="#1f2937">([^<]*)</g)].map(
    ([, x, y, word]) => [Number(x), Number(y) - 11, Number(x) + 0.62 * 13 * word!.length, Number(y) + 3],
  );
  expect(boxes.length).toBeGreaterThan(5);
  for (const [i, a] of boxes.entries())
    for (const b of boxes.slice(i + 1))
      expect(a[2]! < b[0]! + 0.2 || a[0]! > b[2]! - 0.2 || a[3]! < b[1]! + 0.2 || a[1]! > b[3]! - 0.2).toBe(true);
  expect(() => wordMapPicture(map, { arrows: [['x1', 'z']] })).toThrow('z is not on the map');
});

test('a page asks for nothing from elsewhere, and what is in a word stays text', async () => {
  const odd = new WordVectors(['<b>', '"&', 'c'], Float32Array.of(1, 0, 0, 1, 1, 1));
  const page = wordMapPage(await wordMap(odd, odd.words), { title: '<script>' });
  expect(page).not.toMatch(/(?:src|href)=|<b>|<title><script>/);
  expect(page).toContain('&lt;b&gt;');
});

test('what can’t be mapped is told', async () => {
  await expect(wordMap(vectors, ['x1', 'y2'])).rejects.toThrow('2 words; needs three at least');
  await expect(wordMap(vectors, ['x1', 'x1', 'y2'])).rejects.toThrow('a word is there twice');
  await expect(wordMap(vectors, ['x1', 'y2', 'z'])).rejects.toThrow('there is no vector of "z"');
  await expect(wordMap(vectors, words, { method: 'tsne' as never })).rejects.toThrow('needs pca or umap');
});
