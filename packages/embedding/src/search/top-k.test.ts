import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TopK } from './top-k.ts';

test('keeps what sorting everything would put first, ties by row, whatever the order of offers', () => {
  const scores = fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 60 });
  fc.assert(
    fc.property(scores, fc.integer({ min: 1, max: 70 }), fc.infiniteStream(fc.nat()), (all, k, random) => {
      const rows = all.map((score, row) => ({ row, score }));
      const best = rows.toSorted((a, b) => b.score - a.score || a.row - b.row).slice(0, k);
      const order = rows.map((one) => ({ one, at: random.next().value as number })).toSorted((a, b) => a.at - b.at);
      const top = new TopK(k);
      for (const { one } of order) top.offer(one.score, one.row);
      expect(top.sorted()).toEqual(best);
    }),
  );
});

test('an order of ties can be given', () => {
  const names = ['c', 'a', 'b', 'a0'];
  const top = new TopK(2, (a, b) => names[a]! < names[b]!);
  names.forEach((_, row) => top.offer(1, row));
  expect(top.sorted().map(({ row }) => names[row])).toEqual(['a', 'a0']);
  expect([top.takes(1, 2), top.takes(1.5, 2)]).toEqual([false, true]);
});
