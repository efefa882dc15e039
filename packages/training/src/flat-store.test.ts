import { expect, test } from 'vitest';
import { flatStore, layout } from './flat-store.ts';

test('parts begin at multiples of 16 values and follow the order of the map', () => {
  const { parts, length } = layout(
    new Map([
      ['w', [3, 5]],
      ['b', [17]],
      ['scalar', []],
    ]),
  );
  expect(parts.map(({ name, begin, end }) => [name, begin, end])).toEqual([
    ['w', 0, 15],
    ['b', 16, 33],
    ['scalar', 48, 49],
  ]);
  expect(length).toBe(64);
});

test('tensors are views of the one array', () => {
  const { parts, length } = layout(new Map([['w', [2, 2]]]));
  const store = flatStore(parts, new Float32Array(length));
  store.data.set([1, 2, 3, 4]);
  const w = store.tensors.get('w')!;
  expect(w.shape).toEqual([2, 2]);
  expect([...w.data]).toEqual([1, 2, 3, 4]);
  w.data[0] = 9;
  expect(store.data[0]).toBe(9);
});
