import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { charsmapNormalizer } from './charsmap.ts';
import { loadTokenizer } from './load-tokenizer.ts';

describe('bytes that are no map', () => {
  test.each<[string, number[]]>([
    ['nothing', []],
    ['a size alone', [4, 0, 0, 0]],
    ['a size beyond the end', [255, 255, 255, 255, 0, 0, 0, 0]],
    ['a size that is no multiple of 4', [3, 0, 0, 0, 0, 0, 0]],
  ])('%s is an error', (_, bytes) => {
    expect(() => charsmapNormalizer(Uint8Array.from(bytes))).toThrow('precompiled_charsmap holds no trie');
  });

  test('units that lead nowhere leave text as it is', () => {
    const bytes = Uint8Array.from([16, 0, 0, 0, ...Array<number>(16).fill(255), 65, 0]);
    expect(charsmapNormalizer(bytes)('any text, é 日 😀')).toBe('any text, é 日 😀');
  });
});

const folder = fileURLToPath(new URL('../../../../shared/data/tok_t5', import.meta.url));
describe.skipIf(!existsSync(folder))('T5’s map (needs ../shared)', () => {
  // SentencePieceNormalizer(model_file='spiece.model', add_dummy_prefix=False, escape_whitespaces=False,
  //   remove_extra_whitespaces=False).normalize(text) of python's sentencepiece 0.2, and .encode(text)
  test.each<[string, string, number[]]>([
    [
      '\ufb01ne \uff21\uff42\uff43 \uff11\uff12\uff13 \u00bd \u2122 \u2460',
      'fine Abc 123 1\u20442 TM 1',
      [1399, 891, 75, 3, 14574, 209, 2, 357, 3, 2305, 209],
    ],
    ['e\u0301 combining', '\u00e9 combining', [3, 154, 3, 13275]],
    ['tab\u0009here\u000anew line', 'tab here new line', [3808, 270, 126, 689]],
    ['a\u00a0b\u200bc\ufeffd', 'a b c d', [3, 9, 3, 115, 3, 75, 3, 26]],
    ['\uff76\uff9e', '\u30ac', [3, 2]],
    [
      '\ufdfa',
      '\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064a\u0647 \u0648\u0633\u0644\u0645',
      [3, 2, 3, 2, 3, 2, 3, 2],
    ],
    ['\u00c5\u00c5 \u00aa \u00ba', '\u00c5\u00c5 a o', [3, 2, 3, 9, 3, 32]],
    ['\u01c6 \u0149', 'd\u017e \u02bcn', [3, 26, 2, 3, 2, 29]],
  ])('%j is normalized as Google’s library does', async (text, normal, ids) => {
    const { normalizer } = JSON.parse(readFileSync(`${folder}/tokenizer.json`, 'utf8')) as {
      normalizer: { precompiled_charsmap: string };
    };
    const normalize = charsmapNormalizer(Buffer.from(normalizer.precompiled_charsmap, 'base64'));
    expect(normalize(text)).toBe(normal);
    const tokenizer = await loadTokenizer(folder);
    const encoded = tokenizer.encode(text, { addSpecialTokens: false });
    expect(encoded.ids).toEqual(ids);
    expect(encoded.offsets.length).toBe(ids.length);
  });
});
