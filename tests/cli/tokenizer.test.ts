// lm tokenizer: vocabularies from text files, text to ids and back.
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { jsonLines, lm } from './lm.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-tokenizer-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);
const corpus = at('corpus.txt');
writeFileSync(corpus, 'The quick brown fox jumps over the lazy dog – naïve, 日本語. '.repeat(50));

describe.each([
  ['bpe', 300, '<|endoftext|>'],
  ['wordpiece', 60, '[PAD]'],
  ['char', undefined, undefined],
] as const)('%s', (type, size, special) => {
  test('train, encode and decode', async () => {
    const sized = size === undefined ? [] : ['--vocab-size', String(size)];
    const trained = await lm(['tokenizer', 'train', corpus, '-o', at(type), '--type', type, ...sized, '--json']);
    expect(trained.code).toBe(0);
    const [result] = jsonLines(trained.stdout);
    expect(result).toMatchObject({ path: at(type), type, characters: readFileSync(corpus, 'utf8').length });
    if (size !== undefined) expect(result!['vocabulary_size']).toBeLessThanOrEqual(size);
    expect(readdirSync(at(type)).sort()).toEqual(['tokenizer.json', 'tokenizer_config.json']);
    const text = 'The lazy fox – naïve 日本語';
    const encoded = await lm(['tokenizer', 'encode', '-m', at(type), text]);
    const ids = encoded.stdout.trim();
    expect(ids).toMatch(/^\d+( \d+)+$/);
    const decoded = await lm(['tokenizer', 'decode', '-m', at(type)], { stdin: encoded.stdout });
    expect(decoded.stdout).toBe(`${type === 'wordpiece' ? 'the lazy fox – naive 日 本 語' : text}\n`);
    expect((await lm(['tokenizer', 'decode', '-m', at(type), ...ids.split(' ')])).stdout).toBe(decoded.stdout);
    expect((await lm(['tokenizer', 'decode', '-m', at(type), ids.replaceAll(' ', ',')])).stdout).toBe(decoded.stdout);
    if (special !== undefined) {
      const [first] = jsonLines((await lm(['tokenizer', 'decode', '-m', at(type), '0', '--json'])).stdout);
      expect(first).toEqual({ text: '', ids: [0], tokens: [special] });
      const shown = await lm(['tokenizer', 'decode', '-m', at(type), '0', '--no-skip-special-tokens']);
      expect(shown.stdout).toBe(`${special}\n`);
    }
  });
});

test('--json has tokens and their places in the text, a line for each text', async () => {
  await lm(['tokenizer', 'train', corpus, '-o', at('json'), '--vocab-size', '300']);
  const texts = ['The fox', 'naïve'];
  const { stdout } = await lm(['tokenizer', 'encode', '-m', at('json'), ...texts, '--json']);
  const lines = jsonLines(stdout) as { ids: number[]; tokens: string[]; offsets: [number, number][] }[];
  expect(lines).toHaveLength(2);
  for (const [i, { ids, tokens, offsets }] of lines.entries()) {
    expect([tokens.length, offsets.length]).toEqual([ids.length, ids.length]);
    expect(offsets[0]![0]).toBe(0);
    expect(offsets.at(-1)![1]).toBe(texts[i]!.length);
  }
});

test('special tokens have the first ids', async () => {
  const flags = ['--type', 'char', '--special-tokens', '<unk>', '--special-tokens', '<s>'];
  await lm(['tokenizer', 'train', corpus, '-o', at('special'), ...flags]);
  expect((await lm(['tokenizer', 'encode', '-m', at('special'), '<s>T<unk>Ж'])).stdout).toMatch(/^1 \d+ 0 0\n$/);
});

test.each([
  ['encode: a character outside', ['encode', '-m', 'char', '§'], 1, 'the character "§"'],
  ['encode: no tokenizer', ['encode', '-m', 'nothing', 'a'], 2, 'there is no such file or folder'],
  ['encode: a file that is none', ['encode', '-m', 'corpus.txt', 'a'], 1, "it isn't JSON"],
  ['decode: an id outside', ['decode', '-m', 'char', '99999'], 1, 'the id 99999 is outside the vocabulary of'],
  ['decode: a word', ['decode', '-m', 'char', '1', 'two'], 2, '"two" is not an id'],
  ['train: an empty text', ['train', 'empty.txt', '-o', 'no'], 1, 'the text is empty'],
  ['train: bytes that are no text', ['train', 'latin.txt', '-o', 'no'], 1, 'is not text in UTF-8'],
  ['train: no such file', ['train', 'nothing.txt', '-o', 'no'], 2, 'there is no file'],
  ['train: a vocabulary without room', ['train', 'corpus.txt', '-o', 'no', '--vocab-size', '5'], 1, '5'],
  ['train: an unknown kind', ['train', 'corpus.txt', '-o', 'no', '--type', 'bep'], 2, 'did you mean bpe?'],
  ['train: a file as folder', ['train', 'corpus.txt', '-o', 'corpus.txt'], 2, 'is a file; needs a folder'],
])('%s is an error, and nothing is written', async (_, args, code, message) => {
  writeFileSync(at('empty.txt'), '');
  writeFileSync(at('latin.txt'), new Uint8Array([0x66, 0xfc, 0x72, 0x20]));
  const paths = new Set(['char', 'nothing', 'corpus.txt', 'empty.txt', 'latin.txt', 'nothing.txt', 'no']);
  const before = readdirSync(folder);
  const result = await lm(['tokenizer', ...args.map((word) => (paths.has(word) ? at(word) : word))]);
  expect(result.stderr).toContain(message);
  expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: '' });
  expect(readdirSync(folder)).toEqual(before);
  expect(existsSync(at('no'))).toBe(false);
});
