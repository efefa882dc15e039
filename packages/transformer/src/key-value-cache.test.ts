import { expect, test } from 'vitest';
import { KeyValueCache, takeRows } from './key-value-cache.ts';

// Two layers' keys and values for T tokens of B rows with 2 heads of width 1: each number says where it belongs.
function present(B: number, T: number, first: number): Float32Array {
  const data: number[] = [];
  for (let row = 0; row < B; row++)
    for (let part = 0; part < 4; part++)
      for (let head = 0; head < 2; head++)
        for (let t = 0; t < T; t++) data.push(part * 1000 + row * 100 + head * 10000 + first + t);
  return Float32Array.from(data);
}

test('rows of different lengths keep their own tokens when the cache grows and rows change places', () => {
  const cache = new KeyValueCache({ layers: 2, heads: 2, width: 1 });
  cache.clear(2, 3);
  cache.append(present(2, 3, 1), 3, [3, 1]);
  expect(cache.lengths).toEqual([3, 1]);
  for (let t = 0; t < 62; t++) {
    cache.reserve(Math.max(...cache.lengths) + 1);
    cache.append(present(2, 1, 10 + t), 1, [1, 1]);
  }
  cache.reorder([1, 0, 1]);
  expect(cache.lengths).toEqual([63, 65, 63]);
  const feeds = cache.feeds();
  const { data, shape } = feeds['past.1.value']!;
  expect(shape).toEqual([3, 2, 128, 1]);
  const slot = (row: number, head: number, t: number): number => Number(data[(row * 2 + head) * 128 + t]);
  // Part 3 (the second layer's values); the last row was row 1, whose first token is followed by 10, 11, …
  expect([slot(2, 1, 0), slot(2, 1, 1), slot(2, 1, 62)]).toEqual([13101, 13110, 13171]);
  expect([slot(1, 0, 0), slot(1, 0, 2), slot(1, 0, 3), slot(1, 0, 64)]).toEqual([3001, 3003, 3010, 3071]);
});

test('the mask hides what a row does not hold, and never the new token', () => {
  const cache = new KeyValueCache({ layers: 1, heads: 1, width: 1 });
  cache.clear(2, 3);
  cache.append(Float32Array.of(1, 2, 3, 4), 2, [2, 0]);
  const { data, shape } = cache.feeds()['mask']!;
  expect(shape).toEqual([2, 1, 1, 65]);
  const seen = (row: number): number[] =>
    Array.from(data, Number)
      .slice(row * 65, (row + 1) * 65)
      .flatMap((value, i) => (value === 0 ? [i] : []));
  expect([seen(0), seen(1)]).toEqual([[0, 1, 64], [64]]);
});

test('rows join behind the others, and leave by moving the last into their place', () => {
  const cache = new KeyValueCache({ layers: 2, heads: 2, width: 1 });
  cache.clear(2, 3);
  cache.append(present(2, 3, 1), 3, [3, 2]);
  const more = new KeyValueCache({ layers: 2, heads: 2, width: 1 });
  more.clear(1, 70);
  more.append(present(1, 70, 500), 70, [70]);
  cache.join(more);
  expect(cache.lengths).toEqual([3, 2, 70]);
  cache.reorder([2, 1]);
  expect(cache.lengths).toEqual([70, 2]);
  const { data, shape } = cache.feeds()['past.0.value']!;
  const [, , P] = shape as [number, number, number];
  const slot = (row: number, head: number, t: number): number => Number(data[(row * 2 + head) * P + t]);
  expect([slot(0, 0, 0), slot(0, 1, 69)]).toEqual([1500, 11569]);
  expect([slot(1, 0, 0), slot(1, 1, 1)]).toEqual([1101, 11102]);
  expect(data).toHaveLength(2 * 2 * P);
});

test('windows hide what is too far back, for each of several tokens', () => {
  const cache = new KeyValueCache({ layers: 1, heads: 1, width: 1 });
  cache.clear(1, 5);
  cache.append(new Float32Array(10), 5, [5]);
  const { data, shape } = cache.feeds(3, [null, 2])['mask.2']!;
  expect(shape).toEqual([1, 1, 3, 67]);
  const seen = (t: number): number[] =>
    Array.from(data, Number)
      .slice(t * 67, (t + 1) * 67)
      .flatMap((value, i) => (value === 0 ? [i] : []));
  expect([seen(0), seen(1), seen(2)]).toEqual([
    [4, 64],
    [64, 65],
    [65, 66],
  ]);
});

test('rows are taken in any order, several times or not at all', () => {
  expect([...takeRows(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 0, 2], 2)]).toEqual([5, 6, 1, 2, 5, 6]);
  expect([...takeRows(Float32Array.of(1, 2), [], 2)]).toEqual([]);
});
