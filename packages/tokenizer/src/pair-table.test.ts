import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PairTable } from './pair-table.ts';

test('it keeps what a map of pairs keeps, grown or not', () => {
  const id = fc.oneof(fc.nat(20), fc.nat(2 ** 31 - 2));
  fc.assert(
    fc.property(fc.array(fc.tuple(id, id, fc.nat()), { maxLength: 200 }), (entries) => {
      const table = new PairTable(1);
      const map = new Map<string, number>();
      for (const [first, second, value] of entries) {
        table.set(first, second, value);
        map.set(`${first} ${second}`, value);
      }
      expect(table.size).toBe(map.size);
      for (const [first, second] of entries) {
        expect(table.get(first, second)).toBe(map.get(`${first} ${second}`));
        expect(table.get(second, first)).toBe(map.get(`${second} ${first}`) ?? -1);
      }
    }),
  );
});
