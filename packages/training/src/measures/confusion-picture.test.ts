import { expect, test } from 'vitest';
import { toPng } from '../loss-curve.ts';
import { confusionMatrix } from './classification.ts';
import { confusionPicture } from './confusion-picture.ts';

test('shows every count with its share, and names as they are', async () => {
  const matrix = confusionMatrix([0, 0, 1, 1, 1], [0, 1, 1, 1, 0], 2);
  const svg = confusionPicture(matrix, ['<ham>', 'spam & co']);
  expect(svg).toContain('&lt;ham&gt;');
  expect(svg).toContain('spam &amp; co');
  const texts = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
  expect(texts.filter((text) => /^\d+%$/.test(text!))).toEqual(['50%', '50%', '33%', '67%']);
  expect(texts.filter((text) => /^\d+$/.test(text!))).toEqual(['1', '1', '1', '2']);
  const png = await toPng(svg);
  expect([...png.subarray(1, 4)]).toEqual([...Buffer.from('PNG')]);
});

test('names must be as many as classes', () => {
  expect(() => confusionPicture(confusionMatrix([], [], 2), ['a'])).toThrow('1 names for 2 classes');
});
