// Rows of every format, from files of any size; what can't be read is reported with file and line.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RowError } from './row.ts';
import { dataFiles, readRows, type ReadRowsOptions } from './rows.ts';

let folder = '';
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'brickwork-rows-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content);
  return path;
}
async function rowsOf(paths: string | string[], o: ReadRowsOptions = {}): Promise<[number, unknown][]> {
  const found: [number, unknown][] = [];
  for await (const { line, values } of readRows(paths, o)) found.push([line, values]);
  return found;
}

describe('formats', () => {
  test('JSON lines, blank lines left out, with either line end, the last line without one', async () => {
    const path = file('a.jsonl', '{"text":"a\\n","label":1}\r\n\n{"text":"ü","label":[1,2]}');
    expect(await rowsOf(path)).toEqual([
      [1, { text: 'a\n', label: 1 }],
      [3, { text: 'ü', label: [1, 2] }],
    ]);
  });
  test('a JSON array of objects', async () => {
    expect(await rowsOf(file('a.json', '[\n {"a": 1},\n {"a": 2}\n]\n'))).toEqual([
      [1, { a: 1 }],
      [2, { a: 2 }],
    ]);
  });
  test('CSV with quoted separators, quotation marks and line ends; lines are counted through them', async () => {
    const path = file('a.csv', 'text,label\n"one, ""two""\nthree",pos\nplain,neg\n');
    expect(await rowsOf(path)).toEqual([
      [2, { text: 'one, "two"\nthree', label: 'pos' }],
      [4, { text: 'plain', label: 'neg' }],
    ]);
  });
  test('TSV keeps quotation marks; a header can be given', async () => {
    const path = file('a.tsv', 'ham\t"hi" there\nspam\twin\n');
    expect(await rowsOf(path, { header: ['label', 'text'] })).toEqual([
      [1, { label: 'ham', text: '"hi" there' }],
      [2, { label: 'spam', text: 'win' }],
    ]);
  });
  test('plain text by lines, a byte order mark left out; packed files by their names', async () => {
    const expected = [
      [1, { text: 'one' }],
      [3, { text: ' two' }],
    ];
    expect(await rowsOf(file('a.txt', '\uFEFFone\n\n two\n'))).toEqual(expected);
    expect(await rowsOf(file('b.txt.gz', gzipSync('one\n\n two\n')))).toEqual(expected);
  });
  test('Parquet, several groups of rows', async () => {
    const columnData = [
      { name: 'text', data: Array.from({ length: 2500 }, (_, i) => `row ${i}`), type: 'STRING' as const },
      { name: 'label', data: Array.from({ length: 2500 }, (_, i) => i % 3), type: 'INT32' as const },
    ];
    const path = file('a.parquet', new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 1000 })));
    const found = await rowsOf(path);
    expect(found).toHaveLength(2500);
    expect(found[2400]).toEqual([2401, { text: 'row 2400', label: 0 }]);
  });
  test('patterns, in order of names; formats from names or as said', async () => {
    file('many/b.jsonl', '{"n":2}');
    file('many/a.jsonl', '{"n":1}');
    file('many/c.data', '{"n":3}');
    expect(await rowsOf(join(folder, 'many/*.jsonl'))).toEqual([
      [1, { n: 1 }],
      [1, { n: 2 }],
    ]);
    expect(await rowsOf(join(folder, 'many/c.data'), { format: 'jsonl' })).toEqual([[1, { n: 3 }]]);
    await expect(rowsOf(join(folder, 'many/c.data'))).rejects.toThrow("can't be told from its name; say jsonl, csv");
    await expect(dataFiles(join(folder, 'none/*.csv'))).rejects.toThrow('no file is called');
    await expect(dataFiles([])).rejects.toThrow('no files given');
  });
});

describe('malformed rows', () => {
  const cases: [string, string, string][] = [
    ['x.jsonl', '{"a":1}\n{"a":\n{"a":3}\n', ':2: not JSON'],
    ['y.jsonl', '{"a":1}\n[1]\n{"a":3}\n', ':2: [1] is not an object'],
    ['z.csv', 'a,b\n1,2\n1\n3,4\n', ':3: 1 columns; needs 2 (a, b)'],
  ];
  test.each(cases)('%s is reported with file and line, and skipped only when asked', async (name, content, message) => {
    const path = file(name, content);
    await expect(rowsOf(path)).rejects.toThrow(path + message);
    const skipped: RowError[] = [];
    expect(await rowsOf(path, { onMalformed: (error) => skipped.push(error) })).toHaveLength(2);
    expect(skipped.map((error) => error.message.startsWith(path + message))).toEqual([true]);
  });
  test.each([
    ['open.csv', 'a,b\n1,"2\n', ':2: not CSV'],
    ['twice.csv', 'a,a\n1,2\n', ':1: two columns are called "a"'],
    ['text.parquet', 'PAR?', ':1: not Parquet'],
    ['array.json', '[{"a":1},]', ':1: not JSON'],
  ])('%s can’t be read on', async (name, content, message) => {
    const path = file(name, content);
    await expect(rowsOf(path, { onMalformed: () => {} })).rejects.toThrow(path + message);
  });
  test('files that are missing, folders, not UTF-8, not packed', async () => {
    await expect(rowsOf(join(folder, 'nothing.jsonl'))).rejects.toThrow('no file');
    await expect(rowsOf(join(folder, 'nothing.csv'))).rejects.toThrow('no file');
    await expect(rowsOf(join(folder, 'nothing.parquet'))).rejects.toThrow('ENOENT');
    mkdirSync(join(folder, 'dir.txt'));
    await expect(rowsOf(join(folder, 'dir.txt'))).rejects.toThrow('is a folder');
    await expect(rowsOf(file('latin.csv', Uint8Array.of(0x61, 0x2c, 0xe9, 0x0a)))).rejects.toThrow('not UTF-8');
    await expect(rowsOf(file('plain.txt.gz', 'not packed'))).rejects.toThrow('not a gzip file');
  });
});

test('an abort ends the reading', async () => {
  const path = file('long.jsonl', '{"a":1}\n'.repeat(100_000));
  const stop = new AbortController();
  let count = 0;
  await expect(async () => {
    for await (const row of readRows(path, { signal: stop.signal })) if (row.line && ++count === 10) stop.abort();
  }).rejects.toThrow('aborted');
  expect(count).toBe(10);
});

test('paragraphs of a text are rows, where they begin; a text without blank lines is cut at the ends of lines', async () => {
  const short = file('paragraphs.txt', '\none\ntwo\r\n\n  \nthree\n\nfour');
  expect(await rowsOf(short, { format: 'paragraphs' })).toEqual([
    [2, { text: 'one\ntwo' }],
    [6, { text: 'three' }],
    [8, { text: 'four' }],
  ]);
  const rows = await rowsOf(file('long.txt', 'a line of a long text\n'.repeat(20_000)), { format: 'paragraphs' });
  const lengths = rows.map(([, values]) => (values as { text: string }).text.length + 1);
  expect(rows.length).toBeGreaterThan(5);
  expect(Math.max(...lengths)).toBeLessThan(70_000);
  expect(lengths.reduce((x, y) => x + y)).toBe(22 * 20_000);
});
