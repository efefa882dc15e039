import fc from 'fast-check';
import { expect, test } from 'vitest';
import { duplicateKey, nesting } from './json-keys.ts';

test('what JSON.stringify writes has no key twice, and is as deep as its value', () => {
  const depth = (v: unknown): number =>
    typeof v === 'object' && v !== null ? 1 + Math.max(0, ...Object.values(v).map(depth)) : 0;
  fc.assert(
    fc.property(fc.json(), fc.constantFrom(undefined, 2), (json, indent) => {
      const value: unknown = JSON.parse(json);
      const text = JSON.stringify(value, null, indent);
      expect(duplicateKey(text)).toBe(null);
      expect(nesting(text).depth).toBe(depth(value));
    }),
  );
});

test.each([
  ['{"a":1,"a":2}', 'a'],
  ['{"a":1,"\\u0061":2}', 'a'],
  ['{"x":{"a":[1,{"b":0,"b":0}]}}', 'b'],
  ['[{"a":1},{"a":1}]', null],
  ['{"a":{"a":"a"},"b":["a","a"]}', null],
  ['{"a,\\"a":1,"a":"{\\"a\\":1"}', null],
  ['{"":1,"":2}', ''],
  [' { "a" : [ ] , "a" : { } } ', 'a'],
  ['"a"', null],
])('%s', (text, key) => expect(duplicateKey(text)).toBe(key));

test('any text at all is measured', () => {
  const marks = fc.string({ unit: fc.constantFrom('"', '\\', '{', '[', ']', '}', ',', ':', 'a') });
  fc.assert(
    fc.property(marks, (text) => {
      expect(nesting(text).depth).toBeLessThanOrEqual(nesting(text).marks);
    }),
  );
  expect(nesting('{"[[[":[1,[2]]}')).toEqual({ depth: 3, marks: 8 });
});
