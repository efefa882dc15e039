import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Tokenizer as HuggingFace } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { corpus, type Json, kindNames, makeKinds } from './kinds.fixture.ts';
import { loadTokenizer } from './load-tokenizer.ts';
import { awkward } from './awkward.fixture.ts';
import { Tokenizer } from './tokenizer.ts';
import { trainTokenizer } from './train-tokenizer.ts';

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.constantFrom(...awkward), { maxLength: 20 }).map((parts) => parts.join('')),
);

let kinds: Record<string, Json>;
beforeAll(async () => {
  kinds = await makeKinds();
});

describe.each(kindNames)('%s', (name) => {
  test('ids and tokens are those of @huggingface/tokenizers', () => {
    const ours = new Tokenizer(kinds[name]!);
    const theirs = new HuggingFace(kinds[name]!, {});
    fc.assert(
      fc.property(anyText, fc.boolean(), (text, addSpecialTokens) => {
        const encoding = ours.encode(text, { addSpecialTokens });
        const expected = theirs.encode(text, { add_special_tokens: addSpecialTokens });
        expect(encoding.ids).toEqual(expected.ids);
        expect(encoding.tokens).toEqual(expected.tokens);
      }),
      { numRuns: 400 },
    );
  });

  test('offsets follow each other and lie in the text', () => {
    const ours = new Tokenizer(kinds[name]!);
    fc.assert(
      fc.property(anyText, (text) => {
        const { ids, offsets, specialTokensMask, typeIds } = ours.encode(text);
        for (const list of [offsets, specialTokensMask, typeIds]) expect(list).toHaveLength(ids.length);
        let least = 0;
        offsets.forEach(([start, end], i) => {
          if (specialTokensMask[i]) return expect([start, end]).toEqual([0, 0]);
          expect(start).toBeGreaterThanOrEqual(least);
          expect(end).toBeGreaterThanOrEqual(start);
          expect(end).toBeLessThanOrEqual(text.length);
          least = start;
        });
      }),
      { numRuns: 200 },
    );
  });
});

/** The parts of a text that its tokens stand for. */
function parts(tokenizer: Tokenizer, text: string): string[] {
  return tokenizer.encode(text, { addSpecialTokens: false }).offsets.map(([start, end]) => text.slice(start, end));
}

test('word ids count the words that the pre-tokenizer makes', () => {
  const bert = new Tokenizer(kinds['WordPiece']!);
  const text = "end, didn't";
  const { offsets, wordIds, specialTokensMask } = bert.encode(text);
  const words = new Map<number, string>();
  wordIds.forEach((word, i) => {
    expect(word === null).toBe(specialTokensMask[i] === 1);
    if (word !== null) words.set(word, (words.get(word) ?? '') + text.slice(...offsets[i]!));
  });
  expect([...words.values()]).toEqual(['end', ',', 'didn', "'", 't']);
  expect([...words.keys()]).toEqual([0, 1, 2, 3, 4]);
});

test('offsets of byte-level BPE cover the text; each part of a character has its range', () => {
  const tokenizer = new Tokenizer(kinds['byte-level BPE']!);
  expect(parts(tokenizer, "the cat's 𝒜")).toEqual(['t', 'he', ' cat', "'s", ' ', '𝒜', '𝒜', '𝒜', '𝒜']);
  expect(parts(new Tokenizer(kinds['byte-level BPE, prefix space']!), 'the the')).toEqual(['the', ' the']);
});

test('offsets of WordPiece are those of the text before it was normalized', () => {
  const tokenizer = new Tokenizer(kinds['WordPiece']!);
  expect(parts(tokenizer, '  CAFÉ\u0000 Cafe\u0301s中国 ')).toEqual(['CAFÉ', 'Cafe', 's', '中', '国']);
  const { offsets, specialTokensMask, typeIds, tokens } = tokenizer.encode('The', { textPair: ' end' });
  expect(tokens).toEqual(['[CLS]', 'the', '[SEP]', 'end', '[SEP]']);
  expect(offsets).toEqual([
    [0, 0],
    [0, 3],
    [0, 0],
    [1, 4],
    [0, 0],
  ]);
  expect(specialTokensMask).toEqual([1, 0, 1, 0, 1]);
  expect(typeIds).toEqual([0, 0, 0, 1, 1]);
});

test('offsets of other kinds: prefixes, byte fallback, unknown words, compatibility forms', () => {
  expect(parts(new Tokenizer(kinds['BPE with byte fallback']!), 'the é')).toEqual(['the', ' ', 'é', 'é']);
  expect(parts(new Tokenizer(kinds['Unigram']!), ' the  ﬂhe xyz')).toEqual(['the', 'ﬂ', 'ﬂ', 'he', 'x', 'xyz']);
  expect(parts(new Tokenizer(kinds['byte-level BPE, normalized']!), 'cafe\u0301 E\u0301A!! x')).toEqual([
    ...parts(new Tokenizer(kinds['byte-level BPE']!), 'café').map((part) => part.replace('é', 'e\u0301')),
    'E\u0301A',
    '!!',
    'x',
  ]);
});

test('a pair without a template is one text after the other', () => {
  const tokenizer = new Tokenizer(kinds['byte-level BPE']!);
  const { ids, typeIds } = tokenizer.encode('the', { textPair: ' end' });
  expect(ids).toEqual([...tokenizer.encode('the').ids, ...tokenizer.encode(' end').ids]);
  expect(typeIds).toEqual([0, 0, 1]);
});

test('a character outside a vocabulary without an unknown token is an error that names it', async () => {
  const tokenizer = new Tokenizer(await trainTokenizer(['abc\n '], { type: 'char' }));
  expect(tokenizer.encode('a b\n').ids).toHaveLength(4);
  expect(() => tokenizer.encode('abéc')).toThrow(
    'the character "é" (U+00E9) at position 2 is not in the vocabulary of 5',
  );
  expect(() => tokenizer.encode('a😀')).toThrow('the character "😀" (U+1F600) at position 1');
  expect(() => tokenizer.encode('a\ud83d')).toThrow('half of a surrogate pair (U+D83D) at position 1');
  const lower = new Tokenizer({ ...tokenizer.json, normalizer: { type: 'Lowercase' } });
  expect(lower.encode('ABC').ids).toEqual(tokenizer.encode('abc').ids);
  expect(() => lower.encode('ABÉ')).toThrow('the character "É" (U+00C9) at position 2');
  const unknown = new Tokenizer(await trainTokenizer(['abc'], { type: 'char', specialTokens: ['<unk>'] }));
  expect(unknown.encode('aéb').tokens).toEqual(['a', '<unk>', 'b']);
});

test('a text that is no string is an error', () => {
  const tokenizer = new Tokenizer(kinds['characters']!);
  expect(() => tokenizer.encode(null as unknown as string)).toThrow('the text is null; needs a string');
  expect(() => tokenizer.encode('a', { textPair: 3 as unknown as string })).toThrow('the text is number');
});

test('a long word takes no quadratic time and gives the ids of the library', () => {
  const json = kinds['byte-level BPE']!;
  const word = 'thethemtheoryhello'.repeat(300);
  expect(new Tokenizer(json).encode(word).ids).toEqual(new HuggingFace(json, {}).encode(word).ids);
  expect(new Tokenizer(json).encode('a'.repeat(1_000_000)).ids.length).toBeGreaterThan(0);
});

const data = fileURLToPath(new URL('../../../../shared/data/', import.meta.url));
describe.skipIf(!existsSync(data))('tokenizers of well-known models (../shared/data)', () => {
  const text = `${corpus}\n“Quotes” — dashes… ﬁne \u3000 x² ½ ΣΊΣΥΦΟΣ İstanbul\tA\u0301 \u0085 \ufeff {a[0] = "b"}; 1,234.56 don't I'll\n\n\n  end `;
  test.each(['tok_bert_uncased', 'tok_t5'])('%s', async (folder) => {
    const tokenizer = await loadTokenizer(`${data}${folder}`);
    const json = JSON.parse(readFileSync(`${data}${folder}/tokenizer.json`, 'utf8')) as Json;
    const { ids, tokens, offsets } = tokenizer.encode(text);
    const expected = new HuggingFace(json, {}).encode(text);
    expect(ids).toEqual(expected.ids);
    expect(tokens).toEqual(expected.tokens);
    // A token of letters stands for those letters.
    tokens.forEach((token, i) => {
      const plain = token.replace(/^(##|▁)/, '');
      if (/^[a-z]+$/.test(plain))
        expect(
          text
            .slice(...offsets[i]!)
            .normalize('NFKD')
            .toLowerCase()
            .replace(/\p{M}/gu, ''),
        ).toBe(plain);
    });
  });

  test('tok_gpt2: vocab.json and merges.txt', async () => {
    const tokenizer = await loadTokenizer(`${data}tok_gpt2`);
    expect(tokenizer.vocabularySize).toBe(50257);
    expect(tokenizer.encode('Hello world<|endoftext|>').ids).toEqual([15496, 995, 50256]);
    expect(tokenizer.encode(text).ids).toEqual(new HuggingFace(tokenizer.json, {}).encode(text).ids);
    expect(tokenizer.decode(tokenizer.encode(text).ids)).toBe(text);
  });
});

describe('a length', () => {
  test('is kept to: texts lose their ends, the longer of a pair first, and what stands around them stays', () => {
    const tokenizer = new Tokenizer(kinds['WordPiece']!);
    const words = (n: number): string => Array.from({ length: n }, (_, i) => 'abcdefghij'[i % 10]).join(' ');
    const whole = tokenizer.encode(words(9), { textPair: words(4) });
    const around = whole.ids.length - 13;
    // As Hugging Face's tokenizers cut with longest_first: [room, kept of the first, kept of the second].
    for (const [a, b, room, first, second] of [
      [9, 4, 13, 9, 4],
      [9, 4, 10, 6, 4],
      [9, 4, 8, 4, 4],
      [9, 4, 7, 4, 3],
      [4, 9, 7, 3, 4],
      [4, 4, 7, 3, 4],
      [9, 0, 5, 5, 0],
    ] as const) {
      const textPair = b ? words(b) : '';
      const plain = tokenizer.encode(words(a), { textPair, addSpecialTokens: false, maxLength: room });
      expect(
        plain.typeIds.filter((type) => type === 0),
        `${a} ${b} ${room}`,
      ).toHaveLength(first);
      expect(
        plain.typeIds.filter((type) => type === 1),
        `${a} ${b} ${room}`,
      ).toHaveLength(second);
      if (!b) continue;
      const marked = tokenizer.encode(words(a), { textPair, maxLength: room + around });
      expect(marked.ids).toHaveLength(room + around);
      expect(marked.ids[0]).toBe(whole.ids[0]);
      expect(marked.ids.at(-1)).toBe(whole.ids.at(-1));
      expect(marked.offsets).toHaveLength(room + around);
    }
    expect(() => tokenizer.encode('a', { textPair: 'b', maxLength: around })).toThrow(
      `needs more than the ${around} ids`,
    );
  });
});
