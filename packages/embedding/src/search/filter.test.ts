import { expect, test } from 'vitest';
import { compileFilter, type Filter } from './filter.ts';

const doyle = { author: 'Doyle', year: 1892, tags: ['crime', 'London'], read: true, note: null };

test.each<[Filter, boolean]>([
  [{}, true],
  [{ author: 'Doyle' }, true],
  [{ author: 'doyle' }, false],
  [{ author: 'Doyle', year: 1893 }, false],
  [{ year: { $gte: 1892, $lt: 1900 } }, true],
  [{ year: { $gt: 1892 } }, false],
  [{ year: { $lte: 1892 } }, true],
  [{ year: { $gt: '1000' } }, false],
  [{ author: { $gt: 'Austen' } }, true],
  [{ year: { $ne: 1892 } }, false],
  [{ missing: { $ne: 1 } }, true],
  [{ author: { $in: ['Austen', 'Doyle'] } }, true],
  [{ author: { $nin: ['Austen', 'Doyle'] } }, false],
  [{ tags: { $contains: 'London' } }, true],
  [{ tags: { $contains: 'Lon' } }, false],
  [{ author: { $contains: 'oy' } }, true],
  [{ tags: ['crime', 'London'] }, true],
  [{ tags: ['London', 'crime'] }, false],
  [{ note: null }, true],
  [{ missing: null }, false],
  [{ missing: { $exists: false } }, true],
  [{ note: { $exists: true } }, true],
  [{ $or: [{ author: 'Austen' }, { read: true }] }, true],
  [{ $and: [{ author: 'Doyle' }, { read: false }] }, false],
  [{ $not: { author: 'Doyle' } }, false],
  [{ $not: { $or: [{ year: 1 }, { year: 2 }] }, author: 'Doyle' }, true],
  [{ hasOwnProperty: { $exists: false } } as unknown as Filter, true],
])('%j', (filter, expected) => {
  expect(compileFilter(filter)(doyle)).toBe(expected);
});

test.each<[unknown, string]>([
  [{ year: { $near: 1 } }, 'year has no operator $near; there are $eq'],
  [{ $nor: [] }, 'there is no operator $nor'],
  [{ $or: {} }, '$or is {}; needs a list'],
  [{ year: { $in: 3 } }, '$in of year is 3; needs a list'],
  [{ year: { $gt: null } }, '$gt of year is null; needs a number or a string'],
  [{ year: { $exists: 1 } }, 'needs true or false'],
  [{ year: {} }, 'the condition of year is empty'],
  [{ year: undefined }, 'year is undefined'],
  [null, 'needs an object'],
  [[], 'needs an object'],
])('%j is refused', (filter, message) => {
  expect(() => compileFilter(filter as Filter)).toThrow(message);
});
