// Stores of examples: what is written is read, in memory and from files, and what is broken is named.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exampleBatches, padded, type NamedBatch } from './example-batches.ts';
import { memoryStore, openExampleStore, writeExampleStore, type EncodedExample } from './example-store.ts';

let folder = '';
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'brickwork-examples-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ids = (...values: number[]): Int32Array => Int32Array.from(values);
const examples = (count: number, length = (i: number): number => 1 + ((i * 7) % 13)): EncodedExample[] =>
  Array.from({ length: count }, (_, i) => ({
    input_ids: Int32Array.from({ length: length(i) }, (_, t) => i * 100 + t),
    labels: ids(i % 3),
  }));

test('any examples come back from a file as they are from memory', async () => {
  const values = fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: 9 });
  let n = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(values, values), { minLength: 1, maxLength: 20 }), async (all) => {
      const own = all.map(([a, b]): EncodedExample => ({ a: Int32Array.from(a), b: Int32Array.from(b) }));
      const path = join(folder, `any-${n++}.bin`);
      await writeExampleStore(path, own);
      const [file, memory] = [openExampleStore(path), memoryStore(own)];
      expect([file.count, file.fields, file.fingerprint]).toEqual([memory.count, memory.fields, memory.fingerprint]);
      for (let i = 0; i < own.length; i++) {
        expect(file.read(i)).toEqual(own[i]);
        expect(file.lengths(i)).toEqual(memory.lengths(i));
      }
      file.close();
    }),
    { numRuns: 30 },
  );
});

describe('a file', () => {
  test('is there only when it is whole', async () => {
    const path = join(folder, 'half.bin');
    async function* failing(): AsyncGenerator<EncodedExample> {
      yield* examples(5000);
      throw new Error('no more');
    }
    await expect(writeExampleStore(path, failing())).rejects.toThrow('no more');
    expect(existsSync(path)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes('half'))).toEqual([]);
    await expect(writeExampleStore(path, [])).rejects.toThrow('no examples');
  });
  test('that is cut short or changed is refused', async () => {
    const path = join(folder, 'cut.bin');
    await writeExampleStore(path, examples(10));
    const bytes = readFileSync(path);
    for (const size of [0, 4, 50, bytes.length - 1, bytes.length - 9]) {
      writeFileSync(path, bytes);
      truncateSync(path, size);
      expect(() => openExampleStore(path), `${size}`).toThrow('is not a whole file of examples');
    }
    const changed = Buffer.from(bytes);
    changed.writeInt32LE(2 ** 30, 0);
    writeFileSync(path, changed);
    const store = openExampleStore(path);
    expect(() => store.read(0)).toThrow('example 0 is outside');
    expect(store.read(1)).toEqual(examples(2)[1]);
    store.close();
    expect(() => store.read(1)).toThrow('was closed');
  });
  test('has no example outside, and none of other fields', async () => {
    const store = memoryStore(examples(3));
    expect(() => store.read(3)).toThrow('no number 3; there are 3');
    expect(() => store.read(-1)).toThrow('no number -1');
    expect(() => memoryStore([...examples(1), { input_ids: ids(1) }])).toThrow(
      'example 1 has the fields input_ids; the first has input_ids, labels',
    );
  });
});

describe('batches', () => {
  const collate = (some: readonly EncodedExample[]): { batch: NamedBatch; count: number } => ({
    batch: {
      input_ids: padded(
        some.map((e) => e['input_ids']!),
        { value: 0, multiple: 1 },
      ),
    },
    count: some.length,
  });
  const rows = (data: ReturnType<typeof exampleBatches>, number: number): number[] => {
    const { data: all, shape } = data.batch(number).batch['input_ids']!;
    return Array.from({ length: shape[0]! }, (_, row) => Number(all[row * shape[1]!]) / 100);
  };

  test.each([null, 'input_ids'])('hold every example once an epoch, in a new order (grouped by %s)', (groupBy) => {
    const count = 1003;
    const data = exampleBatches(memoryStore(examples(count)), { batchSize: 8, seed: 3, groupBy, collate });
    const perEpoch = Math.ceil(count / 8);
    const epochs = [0, 1].map((epoch) =>
      Array.from({ length: perEpoch }, (_, i) => rows(data, epoch * perEpoch + i)).flat(),
    );
    for (const epoch of epochs)
      expect(epoch.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(epochs[0]).not.toEqual(epochs[1]);
    expect(rows(data, perEpoch - 1)).toHaveLength(count % 8);
    // Any batch by itself is what it was: a resumed run goes on in the middle of an epoch.
    const fresh = exampleBatches(memoryStore(examples(count)), { batchSize: 8, seed: 3, groupBy, collate });
    expect(rows(fresh, perEpoch + 77)).toEqual(epochs[1]!.slice(77 * 8, 78 * 8));
    const other = exampleBatches(memoryStore(examples(count)), { batchSize: 8, seed: 4, groupBy, collate });
    expect(rows(other, 0)).not.toEqual(rows(data, 0));
  });

  test('of similar lengths leave little to fill up', () => {
    const store = memoryStore(examples(2000, (i) => 1 + ((i * 37) % 100)));
    const filled = (groupBy: string | null): number => {
      const data = exampleBatches(store, { batchSize: 10, seed: 0, groupBy, collate });
      return Array.from({ length: 200 }, (_, i) => data.batch(i).batch['input_ids']!.data.length).reduce(
        (a, b) => a + b,
      );
    };
    const tokens = 2000 * 50.5;
    expect(filled('input_ids') / tokens).toBeLessThan(1.05);
    expect(filled(null) / tokens).toBeGreaterThan(1.5);
  });

  test('of the validation part come in order, all of it', () => {
    const data = exampleBatches(memoryStore(examples(4)), {
      batchSize: 3,
      seed: 0,
      collate,
      validation: memoryStore(examples(7)),
    });
    expect([...data.validation()].map(({ count }) => count)).toEqual([3, 3, 1]);
    expect([...exampleBatches(memoryStore(examples(4)), { batchSize: 3, seed: 0, collate }).validation()]).toEqual([]);
  });

  test('are filled up to a multiple, but not beyond the limit', () => {
    expect(padded([ids(1, 2, 3), ids(4)], { value: 9, multiple: 4 })).toMatchObject({
      shape: [2, 4],
      data: BigInt64Array.from([1n, 2n, 3n, 9n, 4n, 9n, 9n, 9n]),
    });
    expect(padded([new Int32Array(18)], { value: 0, limit: 20 }).shape).toEqual([1, 20]);
    expect(padded([new Int32Array(0)], { value: 0 }).shape).toEqual([1, 16]);
  });
});

test('a table of places larger than what is held of it in memory', async () => {
  const path = join(folder, 'many.bin');
  const count = 2 ** 18 + 5;
  function* many(): Generator<EncodedExample> {
    for (let i = 0; i < count; i++) yield { input_ids: Int32Array.of(i, i % 7) };
  }
  await writeExampleStore(path, many());
  const store = openExampleStore(path);
  expect(store.count).toBe(count);
  for (const i of [0, 2 ** 17 - 1, 2 ** 17, 2 ** 18, count - 1])
    expect([...store.read(i)['input_ids']!]).toEqual([i, i % 7]);
  store.close();
});
