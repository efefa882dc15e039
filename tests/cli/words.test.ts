// lm words: vectors trained, asked, drawn and converted from the command line.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readWordVectors, WordVectors, writeWordVectors } from '../../packages/embedding/src/index.ts';
import { jsonLines, lm } from './lm.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-words-cli-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(at(name), content);
  return at(name);
};
const text =
  'The king rules the land and the queen rules with the king.\n\nA fish swims in the sea; the sea has fish.\n\n'.repeat(
    60,
  );
const small = ['words', 'train', at('text.txt'), '-d', '8', '--min-count', '1'];
// Gender and rank.
const space = ['-w', at('space.vec')];
beforeAll(async () => {
  file('text.txt', text);
  const words = ['man', 'woman', 'king', 'queen', 'fish', 'sea'];
  const values = Float32Array.of(1, 0, 0.2, -1, 0, 0.2, 1, 1, 0.2, -1, 1, 0.2, 0, 0, 3, 0, 0.1, 3);
  await writeWordVectors(at('space.vec'), new WordVectors(words, values));
});

describe('lm words train', () => {
  test.each(['skipgram', 'cbow', 'glove'])(
    '%s writes vectors, from text and packed text, the same each time',
    async (method) => {
      const packed = file('text.txt.gz', gzipSync(text));
      const run = async (input: string, out: string): Promise<WordVectors> => {
        const args = [
          'words',
          'train',
          input,
          '-o',
          at(out),
          '-d',
          '8',
          '--min-count',
          '1',
          '-e',
          '2',
          '--method',
          method,
          '--json',
        ];
        const { code, stdout, stderr } = await lm(args);
        expect([code, jsonLines(stdout)[0]]).toMatchObject([0, { words: 13, read: 1320, dimension: 8 }]);
        expect(stderr).toContain('1,320 words, 13 different ones');
        return readWordVectors(at(out));
      };
      const one = await run(at('text.txt'), 'one.vec');
      expect(one.words.slice(0, 2)).toEqual(['the', 'king']);
      expect((await run(packed, 'two.bin')).vectors).toEqual(one.vectors);
      expect(existsSync(at('one.vec.state'))).toBe(false);
    },
  );

  test('interrupted, it goes on with --resume and comes to the same bytes', async () => {
    const long = file('long.txt', text.repeat(30));
    const args = (out: string): string[] => [
      'words',
      'train',
      long,
      '-o',
      at(out),
      '-d',
      '64',
      '--min-count',
      '1',
      '-e',
      '6',
      '--window',
      '10',
      '--negatives',
      '20',
    ];
    const whole = await lm(args('whole.bin'));
    expect(whole.code).toBe(0);
    let stop: (() => void) | null = null;
    const watch = setInterval(() => {
      if (!stop || !existsSync(at('cut.bin.state'))) return;
      clearInterval(watch);
      stop();
    }, 1);
    const cut = await lm(args('cut.bin'), { onNote: (_, interrupt) => (stop = interrupt) });
    clearInterval(watch);
    expect([cut.code, existsSync(at('cut.bin'))]).toEqual([130, false]);
    expect(cut.stderr).toContain('--resume goes on');
    const blind = await lm(args('cut.bin'));
    expect([blind.code, blind.stderr]).toEqual([1, expect.stringContaining('is of an interrupted run')]);
    const other = await lm([...args('cut.bin'), '--resume', '--seed', '7']);
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('other texts or settings')]);
    expect((await lm([...args('cut.bin'), '--resume'])).code).toBe(0);
    expect(readFileSync(at('cut.bin')).equals(readFileSync(at('whole.bin')))).toBe(true);
    expect(existsSync(at('cut.bin.state'))).toBe(false);
  });

  test.each([
    [['words', 'train', 'nowhere.txt', '-o', 'x'], 2, /there is no file nowhere\.txt/],
    [['words', 'train', 'package.json'], 2, /output/],
    [[...small, '-o', at('x'), '--resume'], 2, /there is no .*x\.state/],
    [[...small, '-o', at('x'), '--window', '0'], 2, /--window is '?0/],
    [[...small.slice(0, -1), '1000', '-o', at('x')], 1, /none of 13 words is there 1000 times/],
  ])('%j says what is wrong', async (args, expected, message) => {
    const { code, stderr } = await lm(args);
    expect(code).toBe(expected);
    expect(stderr).toMatch(message);
  });
});

describe('lm words', () => {
  test('neighbours of a word, and of several', async () => {
    const { stdout } = await lm(['words', 'neighbours', 'fish', ...space, '-k', '1']);
    expect(stdout).toMatch(/^0\.99\d\d\tsea\n$/);
    const [both] = jsonLines((await lm(['words', 'neighbours', 'king', 'woman', ...space, '--json'])).stdout);
    expect((both!['neighbours'] as { word: string }[])[0]!.word).toBe('queen');
  });
  test('analogies', async () => {
    for (const method of ['3CosAdd', '3CosMul']) {
      const { stdout } = await lm([
        'words',
        'analogy',
        'man',
        'woman',
        'king',
        ...space,
        '--method',
        method,
        '-k',
        '1',
      ]);
      expect(stdout).toMatch(/\tqueen\n$/);
    }
  });
  test('axes, of words and their ends', async () => {
    const { stdout } = await lm(['words', 'axis', 'queen', 'fish', 'king', '-p', 'man:woman', ...space]);
    expect(stdout.split('\n').map((row) => row.split('\t')[1])).toEqual(['king', 'fish', 'queen', undefined]);
    const [ends] = jsonLines((await lm(['words', 'axis', '-p', 'man:woman', ...space, '-k', '1', '--json'])).stdout);
    expect((ends!['words'] as { word: string }[]).map(({ word }) => word)).toEqual(['man', 'woman']);
  });
  test('the odd one out', async () => {
    expect((await lm(['words', 'odd', 'king', 'man', 'fish', ...space])).stdout).toBe('fish\n');
  });
  test('maps as SVG, PNG and a page', async () => {
    const args = ['words', 'map', 'fish', 'sea', '--arrow', 'man:woman', '--arrow', 'king:queen', ...space];
    for (const name of ['map.svg', 'map.png', 'map.html']) {
      const { code, stderr, stdout } = await lm([...args, '-o', at(name)]);
      expect([code, stdout, stderr]).toEqual([0, '', expect.stringContaining('6 words in')]);
    }
    expect(readFileSync(at('map.svg'), 'utf8')).toContain('<title>queen</title>');
    expect(readFileSync(at('map.png')).subarray(1, 4).toString()).toBe('PNG');
    expect(readFileSync(at('map.html'), 'utf8')).toMatch(/^<!doctype html>/);
    expect((await lm(args)).stdout.trim().split('\n')).toHaveLength(6);
  });
  test('conversion, and a model’s table of words', async () => {
    await lm(['words', 'convert', ...space, '-o', at('space.bin')]);
    expect((await readWordVectors(at('space.bin'))).vectors).toEqual((await readWordVectors(at('space.vec'))).vectors);
    const encoder = fileURLToPath(new URL('../../models/encoder', import.meta.url));
    const { code, stdout } = await lm(['words', 'neighbours', 'king', '-w', encoder, '-k', '3']);
    expect([code, stdout.trim().split('\n').length]).toEqual([0, 3]);
  });
  test('analogies and word pairs are measured', async () => {
    const questions = file(
      'questions.txt',
      ': family\nman woman king queen\nMan Woman fish dog\n: gram1-x\nking queen man woman\n',
    );
    const [found] = jsonLines((await lm(['eval', 'analogies', ...space, '-d', questions, '--json'])).stdout);
    expect(found).toMatchObject({
      total: { correct: 2, asked: 2, unknown: 1, accuracy: 1 },
      semantic: { asked: 1 },
      syntactic: { asked: 1 },
    });
    const table = await lm(['eval', 'analogies', ...space, '-d', questions]);
    expect(table.stdout).toMatch(/total +100\.0% +2\/2 +1/);
    const pairs = file('pairs.tsv', 'word1\tword2\tscore\nfish\tsea\t9\nMan\tqueen\t1\nking\tcat\t3\n');
    const [score] = jsonLines((await lm(['eval', 'wordsim', ...space, '-d', pairs, '--json'])).stdout);
    expect(score).toMatchObject({ pairs: 2, unknown: 1, spearman: 1 });
  });
  test.each([
    [['words', 'neighbours', 'qeen', ...space], 1, /there is no vector of "qeen"; did you mean queen\?/],
    [['words', 'analogy', 'man', 'woman', ...space], 2, /an analogy has three words/],
    [['words', 'axis', 'king', ...space], 2, /--pair is missing/],
    [['words', 'axis', 'king', '-p', 'man', ...space], 1, /'man' is no pair of words/],
    [['words', 'odd', 'king', 'man', ...space], 2, /three words or more/],
    [['words', 'map', 'king', ...space, '-o', 'x.gif'], 2, /ends in \.svg, \.png or \.html/],
    [['words', 'map', 'king', ...space], 2, /three words at least/],
    [['words', 'neighbours', 'king', '-w', 'nowhere.vec'], 2, /nowhere\.vec/],
    [['eval', 'analogies', ...space], 2, /--data is missing/],
    [['eval', 'wordsim', ...space], 2, /--data is missing/],
  ])('lm %j says what is wrong', async (args, expected, message) => {
    const { code, stderr, stdout } = await lm(args);
    expect([code, stdout]).toEqual([expected, '']);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n +at /);
  });
});
