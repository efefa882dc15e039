import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { random } from '@brickwork/nn';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { VectorIndex, type IndexRecord } from './vector-index.ts';
import type { Metric } from './vector-rows.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-index-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let number = 0;
const folder = (): string => join(root, String(number++));
const draw = random(7);
const vectorOf = (D: number): Float32Array => Float32Array.from({ length: D }, () => draw.normal());

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of items) found.push(one);
  return found;
}

const plain = {
  cosine: (a: Float32Array, b: Float32Array): number => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)),
  dot: (a: Float32Array, b: Float32Array): number => dot(a, b),
  euclidean: (a: Float32Array, b: Float32Array): number =>
    0 - Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0)),
};
const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

test.each(['cosine', 'dot', 'euclidean'] as const)(
  'whatever is done to it, by %s it finds what a plain list does',
  async (metric) => {
    const D = 5;
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('add' as const),
        id: fc.integer({ max: 12, min: 0 }),
        year: fc.integer({ min: 0, max: 3 }),
      }),
      fc.record({ kind: fc.constant('delete' as const), id: fc.integer({ max: 12, min: 0 }) }),
      fc.record({ kind: fc.constant('reopen' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 24 }), async (steps) => {
        let index = VectorIndex.create({ dimension: D, metric });
        // A Map's order is that of insertion; a replaced record counts as new.
        const model = new Map<string, { vector: Float32Array; year: number }>();
        for (const one of steps) {
          if (one.kind === 'add') {
            const [id, vector] = [`r${one.id}`, vectorOf(D)];
            await index.add([{ id, vector, metadata: { year: one.year }, text: id }], { replace: true });
            model.delete(id);
            model.set(id, { vector, year: one.year });
          } else if (one.kind === 'delete') {
            expect(await index.delete([`r${one.id}`])).toBe(model.delete(`r${one.id}`) ? 1 : 0);
          } else {
            const path = folder();
            await index.save(path);
            index.close();
            index = await VectorIndex.open(path);
          }
          expect(index.size).toBe(model.size);
        }
        const query = vectorOf(D);
        for (const [filter, keeps] of [
          [undefined, () => true],
          [{ year: { $gte: 2 } }, (year: number) => year >= 2],
        ] as const) {
          const expected = [...model]
            .filter(([, { year }]) => keeps(year))
            .map(([id, { vector }]) => ({ id, score: plain[metric](query, vector) }))
            .toSorted((a, b) => b.score - a.score)
            .slice(0, 4);
          const found = await index.search(query, { k: 4, ...(filter && { filter }) });
          expect(found.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
          found.forEach(({ score }, i) => expect(score).toBeCloseTo(expected[i]!.score, 5));
        }
        for (const [id, { vector }] of model) {
          const record = await index.get(id);
          expect([record!.text, record!.vector]).toEqual([id, vector]);
        }
        expect((await all(index.records())).map(({ id }) => id)).toEqual([...model.keys()]);
        index.close();
      }),
      { numRuns: 25 },
    );
  },
);

test('equal scores come in the order in which records were added', async () => {
  const index = VectorIndex.create({ dimension: 2 });
  const same = Float32Array.of(1, 1);
  await index.add(['c', 'a', 'b'].map((id) => ({ id, vector: same })));
  expect((await index.search(same, { k: 2 })).map(({ id }) => id)).toEqual(['c', 'a']);
});

test('vectors as bytes take a quarter of the space and find nearly the same', async () => {
  const [whole, bytes] = (['float32', 'int8'] as const).map((type) => VectorIndex.create({ dimension: 64, type })) as [
    VectorIndex,
    VectorIndex,
  ];
  const records = Array.from({ length: 400 }, (_, i) => ({ id: `${i}`, vector: vectorOf(64) }));
  await whole.add(records);
  await bytes.add(records);
  const [a, b] = [folder(), folder()];
  await whole.save(a);
  await bytes.save(b);
  const sizeOf = (path: string): number => statSync(join(path, 'vectors.bin')).size;
  expect(sizeOf(b)).toBeLessThan(0.35 * sizeOf(a));
  let shared = 0;
  for (let i = 0; i < 20; i++) {
    const query = vectorOf(64);
    const [x, y] = [await whole.search(query), await bytes.search(query)];
    shared += x.filter(({ id }) => y.some((other) => other.id === id)).length;
  }
  expect(shared).toBeGreaterThan(20 * 9);
});

describe('the approximate index', () => {
  const D = 24;
  const centers = Array.from({ length: 20 }, () => vectorOf(D));
  const near = (i: number): Float32Array => centers[i % 20]!.map((x) => x + 0.4 * draw.normal());
  const records = Array.from({ length: 2000 }, (_, i): IndexRecord => ({
    id: `${i}`,
    vector: near(i),
    metadata: { rare: i % 200 === 0 },
  }));

  test.each(['cosine', 'dot', 'euclidean'] as const)(
    'finds nearly what exact search by %s does; also after saving',
    async (metric: Metric) => {
      const index = VectorIndex.create({ dimension: D, metric, approximate: true });
      await index.add(records);
      const path = folder();
      await index.save(path);
      const again = await VectorIndex.open(path);
      await again.delete(['3', '4']);
      await again.add([{ id: 'new', vector: near(1) }]);
      for (const one of [index, again]) {
        let found = 0;
        for (let i = 0; i < 30; i++) {
          const query = near(i);
          const exact = await one.search(query, { exact: true });
          const fast = await one.search(query);
          expect(fast).toHaveLength(10);
          found += fast.filter(({ id }) => exact.some((other) => other.id === id)).length;
          // Scores are exact.
          for (const { id, score } of fast) {
            const same = exact.find((other) => other.id === id);
            if (same) expect(score).toBe(same.score);
          }
        }
        // Recall at 10.
        expect(found / 300).toBeGreaterThan(metric === 'dot' ? 0.85 : 0.95);
      }
      again.close();
    },
  );

  test('finds all that pass a filter, however few they are', async () => {
    const index = VectorIndex.create({ dimension: D, approximate: { connectivity: 8 } });
    await index.add(records);
    const found = await index.search(near(3), { k: 10, filter: { rare: true } });
    expect(found).toHaveLength(10);
    await index.delete(records.slice(0, 1995).map(({ id }) => id));
    expect(await index.search(near(3), { k: 10 })).toHaveLength(5);
  });

  test('is made anew where its file is missing or broken', async () => {
    const index = VectorIndex.create({ dimension: D, approximate: true });
    await index.add(records.slice(0, 50));
    const path = folder();
    await index.save(path);
    for (const spoil of [() => rmSync(join(path, 'graph.bin')), () => writeFileSync(join(path, 'graph.bin'), 'x')]) {
      spoil();
      const again = await VectorIndex.open(path);
      const query = near(3);
      expect((await again.search(query))[0]).toEqual((await again.search(query, { exact: true }))[0]);
      expect(await again.search(near(3))).toHaveLength(10);
      again.close();
    }
  });
});

describe('words', () => {
  const texts = ['the cat sat on the mat', 'the dog sat', 'cats and dogs', 'a mat, a mat, a mat', 'Éclair café'];
  // Robertson and Zaragoza's formula with Lucene's idf, word by word.
  function bm25(query: string[], docs: string[][], k1 = 1.2, b = 0.75): number[] {
    const mean = docs.reduce((sum, d) => sum + d.length, 0) / docs.length;
    return docs.map((doc) =>
      query.reduce((sum, word) => {
        const df = docs.filter((d) => d.includes(word)).length;
        const tf = doc.filter((w) => w === word).length;
        const idf = Math.log(1 + (docs.length - df + 0.5) / (df + 0.5));
        return sum + (idf * tf * (k1 + 1)) / (tf + k1 * (1 - b + (b * doc.length) / mean));
      }, 0),
    );
  }
  const tokens = (text: string): string[] => text.toLowerCase().match(/[a-z]+/g)!;

  test('are found by BM25, also where records were added, replaced and taken out', async () => {
    let index = VectorIndex.create();
    await index.add(texts.slice(0, 4).map((text, i) => ({ id: `${i}`, text })));
    const check = async (docs: Record<string, string>, query: string): Promise<void> => {
      const expected = bm25(tokens(query), Object.values(docs).map(tokens));
      const found = await index.search({ text: query });
      const scores = new Map(found.map(({ id, score }) => [id, score]));
      Object.keys(docs).forEach((id, i) => expect(scores.get(id) ?? 0).toBeCloseTo(expected[i]!, 9));
    };
    const docs: Record<string, string> = Object.fromEntries(texts.slice(0, 4).map((text, i) => [`${i}`, text]));
    await check(docs, 'the mat');
    const path = folder();
    await index.save(path);
    index = await VectorIndex.open(path);
    await check(docs, 'the mat');
    await index.delete(['0']);
    delete docs['0'];
    await index.add([{ id: '1', text: 'a mat for the cat' }], { replace: true });
    delete docs['1'];
    docs['1'] = 'a mat for the cat';
    await check(docs, 'the mat cat');
    await index.save(path);
    index = await VectorIndex.open(path);
    await check(docs, 'the mat cat');
    index.close();
  });

  test('are found without accents and in any case', async () => {
    const index = VectorIndex.create();
    await index.add(texts.map((text, id) => ({ id: `${id}`, text })));
    expect((await index.search({ text: 'CAFE eclair' })).map(({ id }) => id)).toEqual(['4']);
    expect(await index.search({ text: 'zebra' })).toEqual([]);
    expect(await index.search({ text: '?!' })).toEqual([]);
  });

  test('and vectors together: places in both lists count', async () => {
    const index = VectorIndex.create({ dimension: 2 });
    await index.add([
      { id: 'both', vector: Float32Array.of(1, 0.1), text: 'blue fish' },
      { id: 'vector', vector: Float32Array.of(1, 0), text: 'red' },
      { id: 'text', vector: Float32Array.of(-1, 0), text: 'blue blue fish fish' },
    ]);
    const query = { vector: Float32Array.of(1, 0), text: 'blue fish' };
    const hits = await index.search(query);
    const scores = Object.fromEntries(hits.map(({ id, score }) => [id, score]));
    // Places by vector: vector, both, text; by words: text, both.
    expect(hits.map(({ id }) => id)).toEqual(['text', 'both', 'vector']);
    expect(scores['text']).toBeCloseTo(1 / 63 + 1 / 61, 9);
    expect(scores['both']).toBeCloseTo(1 / 62 + 1 / 62, 9);
    expect(scores['vector']).toBeCloseTo(1 / 61, 9);
    const weighted = await index.search(query, { fusion: { method: 'weighted', vectorWeight: 1 } });
    expect(weighted[0]!.id).toBe('vector');
  });
});

test('of a large index little is read for one answer', async () => {
  const index = VectorIndex.create();
  await index.add(
    Array.from({ length: 3000 }, (_, i) => ({ id: `id ${i}`, text: `word${i} ${'filler '.repeat(40)}` })),
  );
  const path = folder();
  await index.save(path);
  const bytes = readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
  const again = await VectorIndex.open(path, { cacheBytes: 2 ** 17 });
  // What isn't needed may be spoilt: the records of all others.
  const records = readFileSync(join(path, 'records.bin'));
  expect(bytes).toBeGreaterThan(8e5);
  records.fill(0, 200_000, 500_000);
  writeFileSync(join(path, 'records.bin'), records);
  expect((await again.get('id 2'))!.text).toContain('word2 ');
  expect((await again.search({ text: 'word2999' }))[0]!.id).toBe('id 2999');
  // And what is spoilt is noticed where it is read.
  await expect(all(again.records())).rejects.toThrow('is broken');
  again.close();
});

test('a file cut anywhere, missing, or another one is told', async () => {
  const index = VectorIndex.create({ dimension: 3 });
  await index.add(Array.from({ length: 20 }, (_, i) => ({ id: `${i}`, vector: vectorOf(3), text: `text ${i}` })));
  for (const name of ['vectors.bin', 'records.bin', 'ids.bin', 'terms.bin', 'lengths.bin', 'index.json']) {
    const path = folder();
    await index.save(path);
    const { size } = statSync(join(path, name));
    for (const left of [0, 1, Math.floor(size / 2), size - 2]) {
      truncateSync(join(path, name), left);
      await expect(VectorIndex.open(path)).rejects.toThrow(/cut short|broken|not JSON|build it anew|other one/);
      await index.save(join(root, 'fresh'));
      writeFileSync(join(path, name), readFileSync(join(root, 'fresh', name)));
    }
    rmSync(join(path, name));
    await expect(VectorIndex.open(path)).rejects.toThrow(name);
  }
  const path = folder();
  await index.save(path);
  const vectors = readFileSync(join(path, 'vectors.bin'));
  vectors[30]! ^= 1;
  writeFileSync(join(path, 'vectors.bin'), vectors);
  const flipped = await VectorIndex.open(path);
  await expect(flipped.search(vectorOf(3))).rejects.toThrow('vectors 0 to 19 are broken');
  flipped.close();
  const later = folder();
  await index.save(later);
  writeFileSync(
    join(later, 'index.json'),
    JSON.stringify({ ...(JSON.parse(readFileSync(join(later, 'index.json'), 'utf8')) as object), version: 2 }),
  );
  await expect(VectorIndex.open(later)).rejects.toThrow('of version 2, and this reads version 1');
  await expect(VectorIndex.open(root)).rejects.toThrow('is no index: it has no index.json');
});

test('saving that is interrupted or refused changes nothing', async () => {
  const index = VectorIndex.create({ dimension: 3 });
  await index.add([{ id: 'a', vector: vectorOf(3) }]);
  const path = folder();
  await index.save(path);
  const before = readdirSync(path).map((name) => readFileSync(join(path, name), 'latin1'));
  await index.add([{ id: 'b', vector: vectorOf(3) }]);
  await expect(index.save(path, { signal: AbortSignal.abort() })).rejects.toThrow('abort');
  expect(readdirSync(path).map((name) => readFileSync(join(path, name), 'latin1'))).toEqual(before);
  const other = folder();
  writeFileSync(join(root, 'file'), '');
  await expect(index.save(join(root, 'file'))).rejects.toThrow('is a file; needs a folder');
  await index.save(other);
  writeFileSync(join(root, 'mine.txt'), 'mine');
  await expect(index.save(root)).rejects.toThrow('is not empty and has no index.json');
  expect(existsSync(join(root, 'mine.txt'))).toBe(true);
});

test('what makes no sense is told, and adds nothing', async () => {
  const index = VectorIndex.create({ dimension: 3 });
  await index.add([{ id: 'a', vector: vectorOf(3) }]);
  const add = (record: object, more: object = {}): Promise<void> =>
    index.add([{ id: 'b', vector: vectorOf(3) }, record as IndexRecord], more);
  await expect(add({ id: 'a', vector: vectorOf(3) })).rejects.toThrow('"a" is there already; { replace: true }');
  await expect(add({ id: 'b', vector: vectorOf(3) })).rejects.toThrow('"b" is given twice');
  await expect(add({ id: 'c', vector: vectorOf(2) })).rejects.toThrow(
    'the vector of c has 2 values; the index holds vectors of 3',
  );
  await expect(add({ id: 'c', vector: Float32Array.of(1, NaN, 0) })).rejects.toThrow('has NaN at 1');
  await expect(add({ id: 'c' })).rejects.toThrow('c has no vector');
  await expect(add({ id: '', vector: vectorOf(3) })).rejects.toThrow('the id is ""');
  expect(index.size).toBe(1);
  const find = (query: object | Float32Array, o: object = {}): Promise<unknown> =>
    index.search(query as Float32Array, o);
  await expect(find(vectorOf(384))).rejects.toThrow('the query has 384 values; the index holds vectors of 3');
  await expect(find(Float32Array.of(0, 0, 0))).rejects.toThrow('is all zeros');
  await expect(find(Float32Array.of(0, Infinity, 0))).rejects.toThrow('has Infinity at 1');
  await expect(find(vectorOf(3), { k: 0 })).rejects.toThrow('k is 0');
  await expect(find(vectorOf(3), { k: 1.5 })).rejects.toThrow('k is 1.5');
  await expect(find({})).rejects.toThrow('nothing to look for');
  await expect(find(vectorOf(3), { filter: { year: { $near: 3 } } })).rejects.toThrow('year has no operator $near');
  await expect(find(vectorOf(3), { signal: AbortSignal.abort() })).rejects.toThrow('abort');
  const texts = VectorIndex.create();
  await expect(texts.search(vectorOf(3))).rejects.toThrow('the index is of texts alone');
  expect(() => VectorIndex.create({ dimension: 0 })).toThrow('dimension is 0');
  expect(() => VectorIndex.create({ approximate: true })).toThrow('needs vectors');
  expect(() => VectorIndex.create({ metrik: 'dot' } as never)).toThrow('no option metrik');
  expect(() => VectorIndex.create({ bm25: { b: 2 } })).toThrow('b is 2');
});
