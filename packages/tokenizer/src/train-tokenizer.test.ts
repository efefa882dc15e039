import { Tokenizer as HuggingFace } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { awkward } from './awkward.fixture.ts';
import type { TokenizerJson } from './tokenizer-json.ts';
import { trainTokenizer, type TrainTokenizerOptions } from './train-tokenizer.ts';

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.constantFrom(...awkward), { maxLength: 20 }).map((parts) => parts.join('')),
);

const text = `It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in
want of a wife. However little known the feelings or views of such a man may be on his first entering a neighbourhood,
this truth is so well fixed in the minds of the surrounding families, that he is considered as the rightful property
of some one or other of their daughters. Don't — “naïve” café 中国 😀 😀!\r\n\tDon't.`;

function cut(whole: string, places: readonly number[]): string[] {
  const at = [...new Set(places.map((p) => p % (whole.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, i) => whole.slice(start, at[i] ?? whole.length));
}

describe.each<TrainTokenizerOptions>([
  { type: 'bpe', vocabularySize: 300, minFrequency: 1 },
  { type: 'wordpiece', vocabularySize: 3000, minFrequency: 1 },
  { type: 'char' },
])('$type', (options) => {
  test('the result does not depend on how the text is cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, fc.array(fc.nat(400), { maxLength: 8 }), async (more, places) => {
        const whole = text.slice(0, 200) + more;
        expect(await trainTokenizer(cut(whole, places), options)).toEqual(await trainTokenizer([whole], options));
      }),
      { numRuns: 50 },
    );
  });

  test('a text longer than the buffer is read the same one character at a time', async () => {
    const whole = text.repeat(200) + 'x'.repeat(10_000) + text;
    expect(await trainTokenizer(whole.split(''), options)).toEqual(await trainTokenizer([whole], options));
  });

  test('an async stream of chunks is read', async () => {
    async function* stream(): AsyncGenerator<string> {
      for (const chunk of cut(text, [100, 200])) yield chunk;
    }
    expect(await trainTokenizer(stream(), options)).toEqual(await trainTokenizer([text], options));
  });

  test('an empty text is an error', async () => {
    await expect(trainTokenizer([], options)).rejects.toThrow('the text is empty');
    await expect(trainTokenizer(['', ''], options)).rejects.toThrow('the text is empty');
    await expect(trainTokenizer([null as unknown as string], options)).rejects.toThrow('a chunk is null');
  });

  test('ids of a vocabulary are 0, 1, 2 … and its special tokens are the first', async () => {
    const json = await trainTokenizer([text], { ...options, specialTokens: ['<s>', '[UNK]', '</s>'] });
    const ids = Object.values(json.model.vocab as Record<string, number>).sort((a, b) => a - b);
    expect(ids).toEqual(ids.map((_, i) => i));
    expect(json.added_tokens.map(({ id, content, special }) => [id, content, special])).toEqual([
      [0, '<s>', true],
      [1, '[UNK]', true],
      [2, '</s>', true],
    ]);
  });

  test('@huggingface/tokenizers reads it and gives the text back', async () => {
    const json = await trainTokenizer([text], options);
    const tokenizer = new HuggingFace(JSON.parse(JSON.stringify(json)) as object, {
      clean_up_tokenization_spaces: false,
    });
    const { ids } = tokenizer.encode(text, { add_special_tokens: false });
    const decoded = tokenizer.decode(ids, { skip_special_tokens: true });
    if (options.type !== 'wordpiece') expect(decoded).toBe(text);
    else expect(decoded).toContain('it is a truth universally acknowledged, that a single man');
  });

  test('an aborted signal stops it with the reason', async () => {
    const reason = new Error('stopped by the user');
    await expect(trainTokenizer([text], { ...options, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    function* endless(): Generator<string> {
      for (;;) yield text;
    }
    setTimeout(() => controller.abort(reason), 60);
    await expect(trainTokenizer(endless(), { ...options, signal: controller.signal })).rejects.toBe(reason);
  });
});

test('a byte-level BPE has the fields that Hugging Face reads', async () => {
  const json = await trainTokenizer(['low low low lower lowest'], { type: 'bpe', vocabularySize: 260 });
  expect(json.added_tokens).toEqual([
    {
      id: 0,
      content: '<|endoftext|>',
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    },
  ]);
  const { vocab, ...model } = json.model;
  expect(model).toEqual({
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    merges: ['l o', 'lo w', 'Ġ low'],
  });
  expect(Object.keys(vocab)).toHaveLength(260);
  expect((vocab as Record<string, number>)['!']).toBe(1);
  expect((vocab as Record<string, number>)['Ġlow']).toBe(259);
});

test('the pair seen most often is joined first, then the one with the lowest ids', async () => {
  // Counts: (a, b) 2, (b, c) 2, (c, d) 3. After cd: (a, b) 2, (b, cd) 2 with ids b < cd.
  const merges = (json: TokenizerJson): unknown => json.model['merges'];
  const bpe = { type: 'bpe', vocabularySize: 300, specialTokens: [] } as const;
  expect(merges(await trainTokenizer(['abcd', '\n', 'abcd', '\n', 'cd'], bpe))).toEqual(['c d', 'a b', 'ab cd']);
  // A run is joined from the left: aaaaa is aa aa a; (aa, a) has lower ids than (aa, aa).
  expect(merges(await trainTokenizer(['aaaaa\naaaaa'], bpe))).toEqual(['a a', 'aa a', 'aa aaa']);
});

test('joining equals counting all pairs anew before each merge', async () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 12 }), async (words) => {
      const json = await trainTokenizer([words.join('\n')], {
        type: 'bpe',
        vocabularySize: 275,
        specialTokens: [],
        minFrequency: 1,
      });
      const ids = { ...(json.model.vocab as Record<string, number>) };
      let symbols = words.flatMap((one, i) => (i ? [['Ċ'], [...one]] : [[...one]]));
      const expected: string[] = [];
      while (expected.length < 19) {
        const counts = new Map<string, number>();
        for (const one of symbols)
          for (let i = 0; i + 1 < one.length; i++) {
            const pair = `${one[i]} ${one[i + 1]}`;
            counts.set(pair, (counts.get(pair) ?? 0) + 1);
          }
        const order = (pair: string): number[] => [-counts.get(pair)!, ...pair.split(' ').map((t) => ids[t]!)];
        const [best] = [...counts.keys()].sort((p, q) => {
          const [x, y] = [order(p), order(q)];
          return x[0]! - y[0]! || x[1]! - y[1]! || x[2]! - y[2]!;
        });
        if (best === undefined) break;
        const [left, right] = best.split(' ');
        symbols = symbols.map((one) => {
          const out: string[] = [];
          for (let i = 0; i < one.length; i++) {
            const isPair = one[i] === left && one[i + 1] === right;
            out.push(isPair ? one[i]! + one[++i]! : one[i]!);
          }
          return out;
        });
        if (!expected.includes(best)) expected.push(best);
        if (!(left! + right! in ids)) break;
      }
      expect((json.model['merges'] as string[]).slice(0, expected.length)).toEqual(expected);
    }),
    { numRuns: 100 },
  );
});

test('a text without spaces is learned from', async () => {
  let seed = 1;
  const letter = (): string => 'abcdefgh'[(seed = Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 29]!;
  const endless = Array.from({ length: 200_000 }, letter).join('');
  const json = await trainTokenizer([endless], { type: 'bpe', vocabularySize: 1000 });
  expect(Object.keys(json.model.vocab)).toHaveLength(1000);
});

test('a vocabulary without room for the alphabet is an error that names the room needed', async () => {
  await expect(trainTokenizer([text], { type: 'bpe', vocabularySize: 256 })).rejects.toThrow('at least 257');
  await expect(trainTokenizer(['ab'], { type: 'wordpiece', vocabularySize: 7 })).rejects.toThrow('at least 8');
  await expect(trainTokenizer(['abc'], { type: 'char', vocabularySize: 2 })).rejects.toThrow('at least 3');
  for (const vocabularySize of [0, -1, 1.5, NaN, Infinity])
    await expect(trainTokenizer([text], { type: 'bpe', vocabularySize })).rejects.toThrow('needs a whole number');
});

test('options that make no sense are errors', async () => {
  await expect(trainTokenizer([text], { type: 'unigram' as 'bpe' })).rejects.toThrow(
    "needs 'bpe', 'wordpiece' or 'char'",
  );
  await expect(trainTokenizer([text], { type: 'bpe', specialTokens: [''] })).rejects.toThrow('no special token');
  await expect(trainTokenizer([text], { type: 'bpe', minFrequency: -1 })).rejects.toThrow('needs 0 or more');
  await expect(trainTokenizer([text], { type: 'wordpiece', specialTokens: ['[CLS]'] })).rejects.toThrow('[UNK]');
  await expect(trainTokenizer([' \n\t'], { type: 'wordpiece' })).rejects.toThrow('no words');
});

test('a character vocabulary with an unknown token keeps the characters seen most often', async () => {
  const json = await trainTokenizer(['aaabbc'], { type: 'char', vocabularySize: 3, specialTokens: ['<unk>'] });
  expect(json.model.vocab).toEqual({ '<unk>': 0, a: 1, b: 2 });
  expect(json.model['unk_token']).toBe('<unk>');
});

test('tokens named like properties of objects are tokens', async () => {
  for (const type of ['bpe', 'wordpiece', 'char'] as const) {
    const specialTokens = ['[UNK]', '__proto__'];
    const json = await trainTokenizer(['constructor '.repeat(50)], { type, vocabularySize: 400, specialTokens });
    const vocab = JSON.parse(JSON.stringify(json.model.vocab)) as Record<string, number>;
    expect(Object.getOwnPropertyDescriptor(vocab, '__proto__')?.value).toBe(1);
    if (type !== 'char') expect(Object.keys(vocab)).toContain('constructor');
  }
});

test('progress counts characters, then tokens up to those wanted', async () => {
  const seen: [string, number, number][] = [];
  await trainTokenizer([text], {
    type: 'bpe',
    vocabularySize: 300,
    onProgress: (p) => seen.push([p.stage, p.characters, p.vocabularySize]),
  });
  expect(seen[0]).toEqual(['count', text.length, 300]);
});

test('a lowercase WordPiece of Greek text has one sigma, of other text the plain normalizer of BERT', async () => {
  const greek = await trainTokenizer(['ΟΔΟΣ οδος'], { type: 'wordpiece', vocabularySize: 100, minFrequency: 1 });
  expect(Object.keys(greek.model.vocab)).toContain('οδοσ');
  const tokenizer = new HuggingFace(greek, {});
  expect(tokenizer.encode('ΟΔΟΣ οδος οδοσ', { add_special_tokens: false }).tokens).toEqual(['οδοσ', 'οδοσ', 'οδοσ']);
  const latin = await trainTokenizer(['street'], { type: 'wordpiece', vocabularySize: 100 });
  expect(latin.normalizer?.type).toBe('BertNormalizer');
});
