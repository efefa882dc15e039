// lm index and lm search: folders of text are indexed, brought up to date, and searched by meaning, by words, and with conditions.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jsonLines, lm } from './lm.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-search-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const put = (name: string, content: string | Uint8Array): string => {
  mkdirSync(dirname(at(name)), { recursive: true });
  writeFileSync(at(name), content);
  return at(name);
};
const model = ['-m', fileURLToPath(new URL('../../models/encoder', import.meta.url)), '-t', '1'];
const found = async (...args: string[]): Promise<Record<string, unknown>[]> => {
  const { code, stdout, stderr } = await lm(['search', ...args, '--json']);
  expect([code, stderr.includes('lm:')]).toEqual([0, false]);
  return jsonLines(stdout);
};

beforeAll(async () => {
  put(
    'texts/bread.txt',
    'Knead the dough and let it rise.\n\nBake the bread in a hot oven until the crust is brown.\n',
  );
  put('texts/sub/sea.md', '# The sea\n\nThe ship sailed over the stormy sea.\n\nSailors fear the waves.\n');
  put('texts/sub/ünïcode 日.txt.gz', gzipSync('The cat sleeps in the sun all day.'));
  put('texts/.hidden/secret.txt', 'never found');
  put('texts/node_modules/x.txt', 'never found');
  put('texts/picture.png', Uint8Array.of(0x89, 0x50));
  put(
    'rows.jsonl',
    [
      { text: 'A duke marries.', year: 1890, tags: ['love'] },
      { text: 'A thief is caught.', year: 1900, tags: ['crime', 'London'] },
      { text: 'A thief escapes.', year: 1910, tags: ['crime'] },
    ]
      .map((row) => JSON.stringify(row))
      .join('\n'),
  );
  await lm(['index', at('texts'), '-o', at('texts.index'), ...model]);
  await lm(['index', at('rows.jsonl'), '-o', at('rows.index'), ...model]);
});

describe('lm index', () => {
  test('makes passages of all texts of a folder, with file and line', async () => {
    const { code, stdout, stderr } = await lm([
      'index',
      at('texts'),
      '-o',
      at('other.index'),
      ...model,
      '--chunk',
      '10',
      '--json',
    ]);
    expect([code, stderr]).toEqual([0, '']);
    expect(jsonLines(stdout)[0]).toMatchObject({ passages: 5, added: 5, removed: 0, files: 3 });
    const hits = await found(at('other.index'), 'stormy sea', '--mode', 'words', '-k', '1');
    expect(hits[0]).toMatchObject({
      text: '# The sea\n\nThe ship sailed over the stormy sea.',
      metadata: { file: 'sub/sea.md', line: 1, endLine: 3 },
    });
  });

  test('run again, reads only what changed, and forgets what is gone', async () => {
    put('living/a.txt', 'apples and pears');
    put('living/b.txt', 'bread and butter');
    put('living/c.txt', 'cats');
    const run = async (): Promise<Record<string, unknown>> => {
      const { stdout, stderr } = await lm(['index', at('living'), '-o', at('living.index'), ...model, '--json']);
      expect(stderr).toBe('');
      return jsonLines(stdout)[0]!;
    };
    expect(await run()).toMatchObject({ passages: 3, added: 3 });
    expect(await run()).toMatchObject({ passages: 3, added: 0, removed: 0, unchanged: 3 });
    put('living/a.txt', 'plums');
    utimesSync(at('living/a.txt'), 1, 1);
    rmSync(at('living/b.txt'));
    put('living/d.txt', 'dogs');
    expect(await run()).toMatchObject({ passages: 3, added: 2, removed: 2, unchanged: 1 });
    expect(await found(at('living.index'), 'apples bread', '--mode', 'words')).toEqual([]);
    expect((await found(at('living.index'), 'plums', '--mode', 'words'))[0]!['text']).toBe('plums');
    const other = await lm(['index', at('living'), '-o', at('living.index'), ...model, '--chunk', '7']);
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('was made with other settings')]);
    expect(
      (await lm(['index', at('living'), '-o', at('living.index'), ...model, '--chunk', '7', '--rebuild'])).code,
    ).toBe(0);
  });

  test('files that are no text are named, and left out only where asked; what was there stays', async () => {
    put('mixed/good.txt', 'good');
    put('mixed/bad.txt', Uint8Array.of(0xff, 0xfe, 0));
    const refused = await lm(['index', at('mixed'), '-o', at('mixed.index'), '--only-words']);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/bad\.txt is not text in UTF-8/)]);
    const { code, stderr } = await lm([
      'index',
      at('mixed'),
      '-o',
      at('mixed.index'),
      '--only-words',
      '--skip-malformed',
    ]);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/left out: .*bad\.txt[^]*1 passages of 2 files/)]);
  });

  test('Ctrl-C leaves the index as it was', async () => {
    put('many/a.txt', Array.from({ length: 3000 }, (_, i) => `Paragraph ${i} of many words.`).join('\n\n'));
    await lm(['index', at('living'), '-o', at('kept.index'), ...model]);
    const before = readFileSync(join(at('kept.index'), 'index.json'), 'utf8');
    let stop: (() => void) | null = null;
    const timer = setInterval(() => stop?.(), 300);
    const { code } = await lm(
      ['index', at('many'), at('living'), '-o', at('kept.index'), ...model, '--rebuild', '--chunk', '6'],
      {
        onNote: (_, interrupt) => (stop ??= interrupt),
      },
    );
    clearInterval(timer);
    // It may have been faster.
    if (code === 130) expect(readFileSync(join(at('kept.index'), 'index.json'), 'utf8')).toBe(before);
    expect([0, 130]).toContain(code);
  });

  test.each([
    [['index', 'nowhere', '-o', 'x'], 2, /nowhere: there is no such file or folder/],
    [['index', 'EMPTY', '-o', 'x'], 2, /no files of text/],
    [['index', 'texts', '-o', 'x', '--chunk', '5', '--overlap', '5'], 2, /--overlap is 5; needs less than --chunk/],
    [
      ['index', 'rows.jsonl', '-o', 'x', '--only-words', '--field', 'title'],
      1,
      /rows\.jsonl:1: the field title is missing/,
    ],
    [['index', 'texts', '-o', 'rows.jsonl', '--only-words'], 1, /is a file; needs a folder/],
  ])('lm %j says what is wrong', async (args, expected, message) => {
    mkdirSync(at('EMPTY'), { recursive: true });
    const own = args.map((arg) => (/^(EMPTY|texts|x|rows\.jsonl)$/.test(arg) ? at(arg) : arg));
    const { code, stderr, stdout } = await lm(own);
    expect([code, stdout]).toEqual([expected, '']);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n +at /);
  });
});

describe('lm search', () => {
  test('finds by meaning, by words and by both, without being told the model', async () => {
    for (const mode of ['vector', 'words', 'hybrid']) {
      const hits = await found(at('texts.index'), 'The ship on the stormy sea', '--mode', mode, '-k', '1', '-t', '1');
      expect(hits[0]!['metadata']).toMatchObject({ file: 'sub/sea.md' });
    }
    const { stdout } = await lm(['search', at('texts.index'), 'the', 'cat', 'sleeps', '-k', '1', '-t', '1']);
    expect(stdout).toMatch(/^\d\.\d{4}\tsub\/ünïcode 日\.txt\.gz:1\tThe cat sleeps in the sun all day\.\n$/);
    expect(await found(at('texts.index'), 'never found secret', '--mode', 'words')).toEqual([]);
  });

  test('straight in a folder, and in an index of words alone', async () => {
    const { code, stdout, stderr } = await lm(['search', at('texts'), 'bake bread', '-k', '1', ...model]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/\tbread\.txt:1\t/)]);
    expect(stderr).toContain('is no index: reading 3 files');
    await lm(['index', at('texts'), '-o', at('words.index'), '--only-words']);
    expect((await found(at('words.index'), 'crust'))[0]!['metadata']).toMatchObject({ file: 'bread.txt' });
    const vector = await lm(['search', at('words.index'), 'crust', '--mode', 'vector']);
    expect([vector.code, vector.stderr]).toEqual([2, expect.stringContaining('has no vectors')]);
  });

  test('with conditions on what rows say', async () => {
    const texts = async (...args: string[]): Promise<unknown[]> =>
      (await found(at('rows.index'), 'a thief', '--mode', 'words', ...args)).map(({ text }) => text);
    expect(await texts()).toEqual(['A thief escapes.', 'A thief is caught.', 'A duke marries.']);
    expect(await texts('--where', 'year>=1900', '--where', 'year<1910')).toEqual(['A thief is caught.']);
    expect(await texts('--where', 'tags~London')).toEqual(['A thief is caught.']);
    expect(await texts('--filter', '{"$not": {"tags": {"$contains": "crime"}}}')).toEqual(['A duke marries.']);
    expect(await texts('--where', 'year=1')).toEqual([]);
  });

  test('several queries from stdin, each with its hits', async () => {
    const { stdout } = await lm(['search', at('texts.index'), '--mode', 'words', '-k', '1'], {
      stdin: 'dough\n\nwaves\n',
    });
    expect(stdout).toMatch(/^dough\n\d.*bread\.txt:1.*\n\nwaves\n\d.*sea\.md:1.*\n$/);
  });

  test('a cut file, another encoder and odd questions are told', async () => {
    const wrong = await lm([
      'search',
      at('texts.index'),
      'x',
      '-m',
      fileURLToPath(new URL('../../models/spam', import.meta.url)),
    ]);
    expect(wrong.code).toBe(wrong.stderr ? 1 : 0);
    await lm(['index', at('texts'), '-o', at('cut.index'), '--only-words']);
    truncateSync(join(at('cut.index'), 'records.bin'), 10);
    for (const [args, expected, message] of [
      [['search', at('cut.index'), 'x'], 1, /records\.bin has 10 bytes .* cut short/],
      [['search', at('nowhere'), 'x'], 2, /there is no such index or folder/],
      [['search', at('texts.index'), ' '], 2, /the query is empty|there is no text/],
      [['search', at('texts.index'), 'x', '--where', 'year'], 2, /--where is 'year'; needs/],
      [['search', at('texts.index'), 'x', '--filter', '{'], 2, /--filter is no JSON/],
      [
        ['search', at('texts.index'), 'x', '--mode', 'words', '--filter', '{"a": {"$near": 1}}'],
        1,
        /a has no operator \$near/,
      ],
      [['search', at('texts.index'), 'x', '-k', '0'], 2, /--count|-k/],
    ] as const) {
      const { code, stderr } = await lm(args);
      expect(stderr).toMatch(message);
      expect(code).toBe(expected);
      expect(stderr).not.toMatch(/\n +at /);
    }
  });
});
