import { Tokenizer as HuggingFace } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { awkward } from './awkward.fixture.ts';
import { type Json, kindNames, makeKinds } from './kinds.fixture.ts';
import { Tokenizer } from './tokenizer.ts';

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.constantFrom(...awkward), { maxLength: 20 }).map((parts) => parts.join('')),
);

let kinds: Record<string, Json>;
beforeAll(async () => {
  kinds = await makeKinds();
});

describe.each(kindNames)('%s', (name) => {
  test('a stream gives what decoding all ids gives, never half a character', () => {
    const ours = new Tokenizer(kinds[name]!);
    const id = fc.nat(ours.vocabularySize - 1).filter((one) => ours.idToToken(one) !== undefined);
    fc.assert(
      fc.property(fc.array(id, { maxLength: 80 }), fc.boolean(), fc.boolean(), (ids, skipSpecialTokens, cleansUp) => {
        const tokenizer = cleansUp ? new Tokenizer(kinds[name]!, { clean_up_tokenization_spaces: true }) : ours;
        const stream = tokenizer.decodeStream({ skipSpecialTokens });
        const pieces = ids.map((one) => stream.push(one));
        pieces.push(stream.end());
        expect(pieces.join('')).toBe(tokenizer.decode(ids, { skipSpecialTokens }));
      }),
      { numRuns: 200 },
    );
  });

  test('decoding gives what @huggingface/tokenizers gives', () => {
    const theirs = new HuggingFace(kinds[name]!, {});
    fc.assert(
      fc.property(anyText, fc.boolean(), fc.boolean(), (text, skip, cleansUp) => {
        const ours = new Tokenizer(kinds[name]!, { clean_up_tokenization_spaces: cleansUp });
        const { ids } = ours.encode(text);
        if (ids.length === 0) return;
        const expected = theirs.decode(ids, { skip_special_tokens: skip, clean_up_tokenization_spaces: cleansUp });
        expect(ours.decode(ids, { skipSpecialTokens: skip })).toBe(expected);
      }),
      { numRuns: 100 },
    );
  });
});

function pieces(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  const stream = tokenizer.decodeStream();
  return [...ids.map((id) => stream.push(id)), stream.end()];
}

test('an emoji of several tokens is given out with its last', () => {
  const bytes = new Tokenizer(kinds['byte-level BPE']!);
  const { ids } = bytes.encode('a𝒜b');
  expect(pieces(bytes, ids)).toEqual(['a', '', '', '', '𝒜', 'b', '']);
  const fallback = new Tokenizer(kinds['BPE with byte fallback']!);
  expect(pieces(fallback, fallback.encode('a𝒜e').ids)).toEqual(['', 'a', '', '', '', '𝒜', 'e', '']);
});

test('bytes that never become a character are U+FFFD once that is sure', () => {
  const bytes = new Tokenizer(kinds['byte-level BPE']!);
  const [first, second] = bytes.encode('𝒜').ids;
  const a = bytes.tokenToId('a')!;
  expect(pieces(bytes, [first!, second!, a])).toEqual(['', '', '\ufffda', '']);
  expect(pieces(bytes, [a, first!])).toEqual(['a', '', '\ufffd']);
});

test('spaces before punctuation are removed where the configuration says so', () => {
  const spaced = new Tokenizer(kinds['characters']!, { clean_up_tokenization_spaces: true });
  const { ids } = spaced.encode("the hen . don 't");
  expect(spaced.decode(ids)).toBe("the hen. don 't");
  expect(new Tokenizer(kinds['characters']!).decode(ids)).toBe("the hen . don 't");
});

test('a token costs the same work however many came before it', () => {
  const tokenizer = new Tokenizer(kinds['BPE with byte fallback']!);
  const ids = tokenizer.encode('the cat 𝒜𝒜 '.repeat(200)).ids;
  const decode = vi.spyOn(HuggingFace.prototype, 'decode');
  const text = pieces(tokenizer, ids).join('');
  const longest = Math.max(...decode.mock.calls.map(([given]) => given.length));
  decode.mockRestore();
  expect(text).toBe(tokenizer.decode(ids));
  expect(longest).toBeLessThan(100);
});
