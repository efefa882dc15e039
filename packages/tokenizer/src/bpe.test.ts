import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Merges } from './bpe.ts';

const tokens = ['a', 'b', 'ab', 'aa', 'ba', 'aab', 'abab', 'bb', 'aaaa'];
const ids = new Map(tokens.map((token, id) => [token, id]));
const pairs = tokens.flatMap((first) => tokens.map((second): [string, string] => [first, second]));
const possible = pairs.filter(([first, second]) => ids.has(first + second));

/** The definition: the earliest merge that is found, at its leftmost place, until none is. */
function slowly(word: readonly string[], merges: readonly (readonly [string, string])[]): string[] {
  const out = [...word];
  for (;;) {
    const rank = merges.findIndex(([a, b]) => out.some((one, i) => one === a && out[i + 1] === b));
    if (rank < 0) return out;
    const at = out.findIndex((one, i) => one === merges[rank]![0] && out[i + 1] === merges[rank]![1]);
    out.splice(at, 2, out[at]! + out[at + 1]!);
  }
}

test('words short and long are joined as the definition says, and lengths add up', () => {
  const char = fc.constantFrom('a', 'b', 'x');
  const words = fc.oneof(fc.array(char, { maxLength: 12 }), fc.array(char, { minLength: 49, maxLength: 90 }));
  fc.assert(
    fc.property(words, fc.shuffledSubarray(possible), (word, merges) => {
      const found = word.map((one) => ids.get(one) ?? -1);
      const lengths = word.map(() => 1);
      const triples = merges.flatMap(([a, b]) => [a, b, a + b].map((token) => ids.get(token)!));
      new Merges(Int32Array.from(triples)).apply(found, lengths);
      const expected = slowly(word, merges);
      expect(found.map((id) => tokens[id] ?? 'x')).toEqual(expected);
      expect(lengths).toEqual(expected.map((token) => token.length));
    }),
  );
});
