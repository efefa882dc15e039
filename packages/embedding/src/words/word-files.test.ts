import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { random } from '@brickwork/nn';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { readWordVectors } from './read-word-vectors.ts';
import { WordVectors } from './word-vectors.ts';
import { writeWordVectors } from './write-word-vectors.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-words-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let number = 0;
const file = (content: string | Uint8Array, name = 'vectors.txt'): string => {
  const path = join(folder, `${number++}-${name}`);
  writeFileSync(path, content);
  return path;
};
const draw = random(2);
const float = (): number => Math.fround(draw.normal() * 10 ** (draw.integer(20) - 10));

test('what is written is read again to the bit, in every format', async () => {
  const words = ['the', 'Straße', '日本', 'a/b', "don't", '</s>', '\u{1F600}', '12', '-3'];
  const vectors = new WordVectors(words, Float32Array.from({ length: 9 * 7 }, float));
  for (const [name, format] of [
    ['a.bin', 'binary'],
    ['a.vec', 'text'],
    ['glove.txt', 'glove'],
  ] as const) {
    const path = join(folder, name);
    await writeWordVectors(path, vectors, { format });
    const again = await readWordVectors(path);
    expect([again.words, again.vectors]).toEqual([words, vectors.vectors]);
    const packed = file(gzipSync(readFileSync(path)), `${name}.gz`);
    expect((await readWordVectors(packed)).vectors).toEqual(vectors.vectors);
    const first = await readWordVectors(path, { limit: 4 });
    expect([first.words, first.vectors]).toEqual([words.slice(0, 4), vectors.vectors.slice(0, 28)]);
  }
});

test('any words and numbers survive, small and large', async () => {
  const word = fc
    .string({ unit: 'binary', minLength: 1, maxLength: 8 })
    .filter((w) => !/\s/u.test(w) && !/\p{Cs}/u.test(w) && !w.startsWith('\ufeff'));
  const spaces = fc.record({
    words: fc.uniqueArray(word, { minLength: 1, maxLength: 12 }),
    D: fc.integer({ min: 1, max: 9 }),
    format: fc.constantFrom('binary' as const, 'text' as const),
  });
  await fc.assert(
    fc.asyncProperty(spaces, async ({ words, D, format }) => {
      const vectors = new WordVectors(words, Float32Array.from({ length: words.length * D }, float));
      const path = join(folder, 'any');
      await writeWordVectors(path, vectors, { format });
      const again = await readWordVectors(path, { format });
      expect([again.words, again.vectors]).toEqual([words, vectors.vectors]);
    }),
    { numRuns: 60 },
  );
});

test('files of others: word2vec’s with line ends and without, GloVe’s words with spaces, fastText’s spaces at the end', async () => {
  const rows = Float32Array.of(1, 2, 3, 4);
  const row = (i: number): Buffer => Buffer.from(rows.buffer, 8 * i, 8);
  for (const end of ['\n', '']) {
    const path = file(
      Buffer.concat([Buffer.from('2 2\na '), row(0), Buffer.from(`${end}b `), row(1), Buffer.from(end)]),
      'x.bin',
    );
    const found = await readWordVectors(path);
    expect([found.words, [...found.vectors]]).toEqual([
      ['a', 'b'],
      [1, 2, 3, 4],
    ]);
  }
  const glove = await readWordVectors(file('a 1 2\n. . . 3 4\n'));
  expect(glove.words).toEqual(['a', '. . .']);
  const fast = await readWordVectors(file('2 2\r\na 1 2 \r\nb 3e0 -4.5E-1 \r\n'));
  expect([fast.words, [...fast.vectors]]).toEqual([
    ['a', 'b'],
    [1, 2, 3, Math.fround(-0.45)],
  ]);
});

test('words that are there twice are told, and the first is kept', async () => {
  const notes: string[] = [];
  const found = await readWordVectors(file('a 1\nb 2\na 3\n'), { onNote: (note) => notes.push(note) });
  expect([found.words, [...found.vectors]]).toEqual([
    ['a', 'b'],
    [1, 2],
  ]);
  expect(notes[0]).toContain('line 3: "a" is there twice');
});

const binary = (head: string, ...parts: (string | number[])[]): Uint8Array =>
  Buffer.concat([
    Buffer.from(head),
    ...parts.map((part) =>
      typeof part === 'string' ? Buffer.from(part) : Buffer.from(Float32Array.from(part).buffer),
    ),
  ]);
test.each([
  ['', 'the file is empty'],
  ['3000000000 300\nthe 0.1', 'it says 3000000000 words and has|line 2|300'],
  ['10 2147483648\na 1\n', 'it says 10 words of 2147483648 values; needs 1 to 65536'],
  ['0 5\n', 'a word at least'],
  ['2 2\na 1 2\n', 'it says 2 words and has 1: it was cut short'],
  ['1 2\na 1 2\nb 3 4\n', 'it says 1 words and has 2'],
  ['a 1 2\nb 3\n', ':2: 1 values behind "b"; needs 2'],
  ['a 1 2\nb 3 x\n', ':2: value 2 is "x"; needs a number'],
  ['a 1 nan\n', 'line 1, "a": value 2 is NaN; needs a finite number'],
  ['a 1 1e999\n', 'value 2 is Infinity'],
  ['a 1 1e39\n', 'value 2 is Infinity'],
  ['a 1\n\nb 2\n', ':2: the line is empty'],
  [' 1 2 x\n', 'line 1 has no word|needs'],
  ['hello\n', 'needs some'],
  [Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0xd, 0xa, 0x1a, 0xa, 0xff), 'not text in UTF-8'],
  [binary('2 3\na ', [1, 2, 3], 'b ', [1]), 'cut short'],
  [binary('4000000000 300\na ', [1, 2, 3, 0.1]), 'which have .* bytes at least, but it has'],
  [binary('1 2\na ', [1, NaN]), 'word 1 of 1, "a": value 2 is NaN'],
  [binary('1 2\na ', [1, 2], '\nb ', [3, 4]), 'there is more after the 1 words'],
])('a file that is wrong is told: %j', async (content, message) => {
  const path = file(content, 'hostile');
  const text = await readWordVectors(path).then(
    () => 'no error',
    (error: Error) => error.message,
  );
  expect(text).toMatch(new RegExp(message));
  expect(text).toContain(path);
});

test('every place where a binary file may be cut is noticed', async () => {
  const path = join(folder, 'whole.bin');
  await writeWordVectors(path, new WordVectors(['ab', 'cd'], Float32Array.of(1.5, -2, 3, 4)));
  const whole = readFileSync(path);
  // The last line end alone isn't missed.
  for (let size = 0; size < whole.length - 1; size++)
    await expect(readWordVectors(file(whole.subarray(0, size), 'cut.bin'), { format: 'binary' })).rejects.toThrow(
      /cut|empty|no count|it says/,
    );
  expect((await readWordVectors(file(whole.subarray(0, whole.length - 1), 'cut.bin'))).words).toEqual(['ab', 'cd']);
});

test('a broken gzip file, a folder and a missing file are told', async () => {
  await expect(readWordVectors(file(gzipSync('a 1\n').subarray(0, 12), 'x.gz'))).rejects.toThrow(
    'no gzip file, or was cut short',
  );
  await expect(readWordVectors(file('plain', 'y.gz'))).rejects.toThrow('no gzip file');
  await expect(readWordVectors(folder)).rejects.toThrow('it is a folder');
  await expect(readWordVectors(join(folder, 'nowhere'))).rejects.toThrow('there is no such file');
});

test('what would be read as something else isn’t written', async () => {
  const path = join(folder, 'never.bin');
  await expect(writeWordVectors(path, new WordVectors(['a b'], Float32Array.of(1)))).rejects.toThrow(
    '"a b" can’t be written as binary',
  );
  await expect(
    writeWordVectors(path, new WordVectors(['a\nb'], Float32Array.of(1)), { format: 'text' }),
  ).rejects.toThrow('can’t be written');
  expect(existsSync(path)).toBe(false);
});
