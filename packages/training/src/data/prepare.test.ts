// Data made ready: what is held out, what is found again, what is said of rows that can't be read, and how little it takes.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Task } from '../tasks/task.ts';
import type { ExampleStore } from './example-store.ts';
import { prepareData, type PrepareOptions } from './prepare.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-prepare-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const file = (name: string, content: string): string => {
  writeFileSync(join(root, name), content);
  return join(root, name);
};
const lines = (count: number, from = 0): string =>
  Array.from({ length: count }, (_, i) => `${JSON.stringify({ text: `t${from + i}`, label: (from + i) % 2 })}\n`).join(
    '',
  );
let encodings = 0;
const task: Task = {
  identity: { task: 'test' },
  lengthOf: 'input_ids',
  encode(example) {
    encodings++;
    if (example.kind !== 'labelled') throw new Error('not labelled');
    if (example.text === 'bad') throw new Error('a bad text');
    return [{ input_ids: Int32Array.of(Number(example.text.slice(1))), labels: Int32Array.of(Number(example.label)) }];
  },
  collate: () => ({ batch: {}, count: 0 }),
};
const tokenizer = { encode: () => ({ ids: [], typeIds: [], offsets: [], specialTokensMask: [] }), json: { a: 1 } };
const prepare = (o: Partial<PrepareOptions> & Pick<PrepareOptions, 'files'>): ReturnType<typeof prepareData> =>
  prepareData({ task, tokenizer, ...o });
const values = (store: ExampleStore): number[] =>
  Array.from({ length: store.count }, (_, i) => store.read(i)['input_ids']![0]!);

describe('what is held out', () => {
  test('a share of the rows, the same for the same seed; together they are all rows', async () => {
    const files = [file('a.jsonl', lines(600)), file('b.jsonl', lines(400, 600))];
    const split = async (seed: number): Promise<[number[], number[]]> => {
      const data = await prepare({ files, validation: 0.2, seed });
      const found: [number[], number[]] = [values(data.train), values(data.validation!)];
      await data.close();
      return found;
    };
    const [train, held] = await split(1);
    expect([...train, ...held].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(held.length).toBeGreaterThan(150);
    expect(held.length).toBeLessThan(250);
    expect(await split(1)).toEqual([train, held]);
    expect((await split(2))[1]).not.toEqual(held);
  });
  test('of few rows one at least; files of their own as they are; nothing unless asked', async () => {
    const few = await prepare({ files: file('few.jsonl', lines(3)), validation: 0.01 });
    expect([few.train.count, few.validation!.count]).toEqual([2, 1]);
    const own = await prepare({ files: join(root, 'few.jsonl'), validation: file('own.jsonl', lines(4, 90)) });
    expect([values(own.train), values(own.validation!)]).toEqual([
      [0, 1, 2],
      [90, 91, 92, 93],
    ]);
    const none = await prepare({ files: join(root, 'few.jsonl') });
    expect([none.train.count, none.validation]).toEqual([3, null]);
    for (const data of [few, own, none]) await data.close();
    await expect(prepare({ files: file('one.jsonl', lines(1)), validation: 0.1 })).rejects.toThrow('1 row is too few');
    await expect(prepare({ files: join(root, 'few.jsonl'), validation: 1 })).rejects.toThrow('a share from 0 below 1');
  });
});

describe('the cache', () => {
  test('finds what was encoded, and nothing that would be encoded otherwise', async () => {
    const cache = join(root, 'cache');
    const files = file('c.jsonl', lines(50));
    const encoded = async (o: Partial<PrepareOptions> = {}): Promise<[boolean, number]> => {
      const before = encodings;
      const data = await prepare({ files, cache, validation: 0.1, ...o });
      await data.close();
      return [data.isCached, encodings - before];
    };
    expect(await encoded()).toEqual([false, 50]);
    expect(await encoded()).toEqual([true, 0]);
    // The content counts, not the name.
    expect(await encoded({ files: file('renamed.jsonl', lines(50)) })).toEqual([true, 0]);
    expect(await encoded({ files: file('c2.jsonl', lines(49)) })).toEqual([false, 49]);
    expect(await encoded({ tokenizer: { ...tokenizer, json: { a: 2 } } })).toEqual([false, 50]);
    expect(await encoded({ task: { ...task, identity: { task: 'another' } } })).toEqual([false, 50]);
    expect(await encoded({ seed: 3 })).toEqual([false, 50]);
    expect(await encoded({ validation: 0.2 })).toEqual([false, 50]);
    expect(readdirSync(cache).filter((name) => name.includes('.tmp'))).toEqual([]);
  });
});

describe('rows that can’t be read', () => {
  const broken = '{"text":"t1","label":1}\n{oops\n{"text":"t2"}\n{"text":"bad","label":0}\n{"text":"t3","label":0}\n';
  test('end it, with file and line', async () => {
    await expect(prepare({ files: file('broken.jsonl', broken) })).rejects.toThrow(/broken\.jsonl:2: not JSON/);
    const late = file('late.jsonl', '{"text":"t1","label":1}\n{"text":"bad","label":0}\n');
    await expect(prepare({ files: late, cache: join(root, 'none') })).rejects.toThrow(/late\.jsonl:2: a bad text/);
    expect(readdirSync(join(root, 'none'))).toEqual([]);
  });
  test('are left out only when asked, each is told, and a cached run knows of them', async () => {
    const files = file('broken.jsonl', broken);
    const cache = join(root, 'skipped');
    const told: string[] = [];
    const o = { files, cache, skipMalformed: true, onMalformed: (e: Error) => void told.push(e.message) };
    const data = await prepare(o);
    expect(values(data.train)).toEqual([1, 3]);
    expect(told.map((t) => t.slice(t.indexOf('broken')))).toEqual([
      expect.stringMatching(/^broken\.jsonl:2: not JSON/) as string,
      expect.stringMatching(/^broken\.jsonl:3: the column label is missing/) as string,
      'broken.jsonl:4: a bad text',
    ]);
    expect(data.skipped).toBe(3);
    await data.close();
    const again = await prepare(o);
    expect([again.isCached, again.skipped]).toEqual([true, 3]);
    await again.close();
    await expect(prepare({ files, cache })).rejects.toThrow('broken.jsonl:2');
    // Of rows held out, too, each once.
    let count = 0;
    const held = await prepare({ ...o, cache: join(root, 'held'), validation: 0.5, onMalformed: () => void count++ });
    expect([held.skipped, count]).toEqual([3, 3]);
    await held.close();
    const all = file('all.jsonl', '{"text":"bad","label":0}\n');
    await expect(prepare({ files: all, skipMalformed: true })).rejects.toThrow(
      /no examples to train on in 1 rows; the first left out: .*all\.jsonl:1: a bad text/,
    );
  });
});

test('memory doesn’t grow with the file', async () => {
  // 60 MB of rows; their text alone would be twice that in memory.
  const files = file('large.jsonl', `${JSON.stringify({ text: `t1${' '.repeat(3000)}`, label: 1 })}\n`.repeat(20_000));
  let peak = 0;
  const begin = process.memoryUsage().rss;
  const data = await prepare({
    files,
    validation: 0.1,
    onProgress: () => (peak = Math.max(peak, process.memoryUsage().rss)),
  });
  expect(data.train.count + data.validation!.count).toBe(20_000);
  expect((peak - begin) / 2 ** 20).toBeLessThan(200);
  await data.close();
});

test('stops on a signal, and leaves nothing behind', async () => {
  const stop = new AbortController();
  const cache = join(root, 'stopped');
  const files = file('many.jsonl', lines(2000));
  const run = prepare({
    files,
    cache,
    signal: stop.signal,
    onProgress: ({ stage }) => stage === 'train' && stop.abort(),
  });
  await expect(run).rejects.toThrow('aborted');
  expect(stop.signal.aborted).toBe(true);
  expect(readdirSync(cache)).toEqual([]);
});
