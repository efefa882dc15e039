import { describe, expect, test } from 'vitest';
import { checkIds, countCharacters, encodeText, indexOfCharacter, nextTokenData, type Encoder } from './token-data.ts';
import { memoryTokens, type TokenSource } from './token-source.ts';

const characters: Encoder = { encode: (text) => ({ ids: [...text].map((c) => c.codePointAt(0)!) }) };
const ids = (source: TokenSource): number[] => {
  const into = new Int32Array(source.length);
  source.read(0, into);
  return [...into];
};

describe('encodeText', () => {
  test('holds out the last characters, cut where nanoGPT cuts: int(n * 0.9)', () => {
    const text = 'abcdefghijklmnopqrstuvwxyz😀'; // 27 characters, 28 units
    const data = encodeText(text, characters, 0.1);
    expect(ids(data.train)).toEqual([...text].slice(0, 24).map((c) => c.codePointAt(0)));
    expect(ids(data.validation)).toEqual([...text].slice(24).map((c) => c.codePointAt(0)));
    expect(data.charactersPerToken).toBe(1);
  });
  test('a share of 0 holds nothing out', () => {
    const data = encodeText('abc', characters, 0);
    expect([data.train.length, data.validation.length, data.charactersPerToken]).toEqual([3, 0, 1]);
  });
  test('tells how many characters a validation token stands for', () => {
    const pairs: Encoder = { encode: (text) => ({ ids: (text.match(/..?/gsu) ?? []).map((s) => s.codePointAt(0)!) }) };
    expect(encodeText('x'.repeat(100), pairs, 0.2).charactersPerToken).toBe(2);
    expect(encodeText('x'.repeat(100), pairs, 0.03).charactersPerToken).toBe(1.5);
  });
  test('no special tokens are asked for', () => {
    const seen: unknown[] = [];
    encodeText('abcd', { encode: (text, o) => (seen.push(o), characters.encode(text)) }, 0.5);
    expect(seen).toEqual([{ addSpecialTokens: false }, { addSpecialTokens: false }]);
  });
  test('the fingerprint is that of the tokens and of where they are cut', () => {
    const of = (text: string, share: number): string => encodeText(text, characters, share).fingerprint;
    expect(of('abcdefghij', 0.1)).toBe(of('abcdefghij', 0.1));
    expect(
      new Set([of('abcdefghij', 0.1), of('abcdefghij', 0.2), of('abcdefghik', 0.1), of('abcdefghi', 0.1)]).size,
    ).toBe(4);
  });
  test('an empty corpus and a share that is none are refused', () => {
    expect(() => encodeText('', characters)).toThrow('corpus: the text is empty');
    for (const share of [1, -0.1, NaN])
      expect(() => encodeText('abc', characters, share)).toThrow('the validation share is');
  });
});

test('characters are code points, found again by their number', () => {
  const text = 'a😀b\ud800c'; // the fourth is half a pair
  expect(countCharacters(text)).toBe(5);
  expect([0, 1, 2, 3, 4, 5, 9].map((n) => indexOfCharacter(text, n))).toEqual([0, 1, 3, 4, 5, 6, 6]);
});

test('an id outside the vocabulary is refused, with the id and the size', () => {
  expect(() => checkIds(memoryTokens([0, 64]), 65)).not.toThrow();
  expect(() => checkIds(memoryTokens([0, 65]), 65)).toThrow('id 65 is outside the vocabulary of 65');
  expect(() => checkIds(memoryTokens([]), 1)).not.toThrow();
});

describe('nextTokenData', () => {
  const data = encodeText(Array.from({ length: 200 }, (_, i) => String.fromCodePoint(i)).join(''), characters, 0.1);
  test('trains within the training part, validates on all of the other', () => {
    const { batch, validation } = nextTokenData(data, { seed: 1, B: 4, T: 16 });
    for (let number = 0; number < 50; number++)
      for (const label of batch(number).batch.labels) expect(Number(label)).toBeLessThan(180);
    const held = [...validation()].flatMap((v) => [...v.batch.labels].filter((l) => l !== -100n).map(Number));
    expect(held).toEqual(Array.from({ length: 19 }, (_, i) => 181 + i));
  });
  test('a validation part shorter than a window is still evaluated whole, with the rest left out of the loss', () => {
    const batches = [...nextTokenData(data, { seed: 1, B: 2, T: 64 }).validation()];
    expect(batches.map((b) => b.count)).toEqual([19]);
  });
  test('a training part shorter than a window is refused', () => {
    expect(() => nextTokenData(data, { seed: 1, B: 1, T: 180 })).toThrow(
      '180 tokens to train on; a context of 180 needs 181',
    );
  });
});
