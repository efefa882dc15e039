import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { encodeText } from './token-data.ts';
import { tokenDataset, type DatasetEncoder, type TokenDatasetOptions } from './token-dataset.ts';
import type { TokenSource } from './token-source.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-dataset-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const cache = join(folder, 'cache');
beforeEach(() => rmSync(cache, { recursive: true, force: true }));

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
/** Characters, counted: how much was encoded tells whether the cache was used. */
function counting(
  o: { vocabularySize?: number; json?: unknown; shift?: number } = {},
): DatasetEncoder & { encoded: number } {
  return {
    json: 'json' in o ? o.json : { shift: o.shift ?? 0 },
    ...(o.vocabularySize !== undefined && { vocabularySize: o.vocabularySize }),
    encoded: 0,
    encode(text) {
      this.encoded += text.length;
      return { ids: [...text].map((c) => c.codePointAt(0)! + (o.shift ?? 0)) };
    },
  };
}
const ids = (source: TokenSource): number[] => {
  const into = new Int32Array(source.length);
  source.read(0, into);
  return [...into];
};
const text = Array.from({ length: 500 }, (_, i) => `line ${i} 😀 of ${(i * 7919) % 97}\n`).join('');

describe('tokenDataset', () => {
  test('has the tokens, split and fingerprint of the text in memory, from one file or several, cached or not', async () => {
    const expected = encodeText(text, counting(), 0.2);
    const whole = [file('whole.txt', text)];
    const cuts = [0, 100, 3000, text.length];
    const pieces = cuts.slice(1).map((to, i) => file(`piece${i}.txt`, text.slice(cuts[i], to)));
    for (const files of [whole, pieces])
      for (const o of [{}, { cache }, { cache, inMemory: 0 }] as TokenDatasetOptions[])
        for (const vocabularySize of [undefined, 200_000]) {
          const encoder = counting(vocabularySize ? { vocabularySize } : {});
          const data = await tokenDataset(files, encoder, { ...o, validation: 0.2 });
          expect(ids(data.train)).toEqual(ids(expected.train));
          expect(ids(data.validation)).toEqual(ids(expected.validation));
          expect([data.train.maximum, data.charactersPerToken]).toEqual([0x1f600, 1]);
          data.close();
        }
  });

  test('ids of a small vocabulary take two bytes each, others four', async () => {
    const path = file('ascii.txt', 'abc'.repeat(100));
    for (const [vocabularySize, bytes] of [
      [65_536, 600],
      [65_537, 1200],
    ] as const) {
      rmSync(cache, { recursive: true, force: true });
      (await tokenDataset([path], counting({ vocabularySize }), { cache })).close();
      const tokens = readdirSync(cache).find((name) => name.endsWith('.tokens'))!;
      expect(statSync(join(cache, tokens)).size).toBe(bytes);
    }
  });

  test('is tokenized once; again where the text, the tokenizer, the split or the separator changed', async () => {
    const path = file('again.txt', text);
    const run = async (encoder = counting(), o: TokenDatasetOptions = {}): Promise<number> => {
      const before = encoder.encoded;
      const data = await tokenDataset([path], encoder, { cache, ...o });
      expect(ids(data.train)).toHaveLength(data.train.length);
      data.close();
      return encoder.encoded - before;
    };
    expect(await run()).toBeGreaterThan(0);
    expect(await run()).toBe(0);
    expect(await run(counting(), { inMemory: 0 })).toBe(0);
    expect(await run(counting({ shift: 1 }))).toBeGreaterThan(0);
    expect(await run(counting(), { validation: 0.3 })).toBeGreaterThan(0);
    expect(await run(counting(), { separator: 7 })).toBeGreaterThan(0);
    expect(await run()).toBe(0);
    // The same size and the same time, but another character.
    const { atime, mtime } = statSync(path);
    writeFileSync(path, `${text.slice(0, -2)}x\n`);
    utimesSync(path, atime, mtime);
    expect(await run()).toBeGreaterThan(0);
  });

  test('a cache that was damaged is made anew', async () => {
    const path = file('damaged.txt', text);
    const make = async (o: TokenDatasetOptions = {}): Promise<[number, number[]]> => {
      const encoder = counting();
      const data = await tokenDataset([path], encoder, { cache, ...o });
      const all = ids(data.train);
      data.close();
      return [encoder.encoded, all];
    };
    const [, expected] = await make();
    const named = (end: string): string =>
      join(
        cache,
        readdirSync(cache).find((name) => name.endsWith(end))!,
      );
    const damages: (() => void)[] = [
      () => truncateSync(named('.tokens'), 10),
      () => rmSync(named('.tokens')),
      () => writeFileSync(named('.tokens.json'), '{"format":1'),
      () => rmSync(named('.tokens.json')),
    ];
    for (const damage of damages) {
      damage();
      const [encoded, tokens] = await make();
      expect(encoded).toBeGreaterThan(0);
      expect(tokens).toEqual(expected);
    }
    expect((await make())[0]).toBe(0);
  });

  test('nothing half-written stays where tokenizing fails or is stopped', async () => {
    const path = file('fails.txt', text);
    const failing: DatasetEncoder = {
      ...counting(),
      encode: (t) => {
        if (t.includes('line 400')) throw new Error('no');
        return { ids: [1] };
      },
    };
    await expect(tokenDataset([path], failing, { cache })).rejects.toThrow('no');
    expect(readdirSync(cache)).toEqual([]);
    const stop = new AbortController();
    const long = file('long.txt', text.repeat(200));
    const stopped = tokenDataset([long], counting(), {
      cache,
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('stopped')),
    });
    await expect(stopped).rejects.toThrow('stopped');
    expect(readdirSync(cache)).toEqual([]);
    await expect(tokenDataset([path], counting(), { cache, signal: stop.signal })).rejects.toThrow('stopped');
  });

  test('a separator follows every file, and none else', async () => {
    const files = [file('a.txt', 'ab'), file('b.txt', 'cd'), file('c.txt', 'ef')];
    const data = await tokenDataset(files, counting(), { validation: 0.5, separator: 9 });
    const [a, b, c, d, e, f] = [...'abcdef'].map((x) => x.codePointAt(0)!);
    expect(ids(data.train)).toEqual([a, b, 9, c]);
    expect(ids(data.validation)).toEqual([d, 9, e, f, 9]);
  });

  test('progress is told in characters, up to all of them', async () => {
    const seen: [number, number][] = [];
    const onProgress = (done: number, total: number): void => void seen.push([done, total]);
    (await tokenDataset([file('p.txt', text.repeat(100))], counting(), { onProgress })).close();
    const total = [...text].length * 100;
    expect(seen.every(([done, all], i) => all === total && done > (seen[i - 1]?.[0] ?? 0))).toBe(true);
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.at(-1)).toEqual([total, total]);
  });

  test('a missing file, no text, no files and ids outside the vocabulary are refused, leaving nothing', async () => {
    const empty = file('empty.txt', '');
    await expect(tokenDataset([], counting())).rejects.toThrow('corpus: no files');
    await expect(tokenDataset([join(folder, 'nowhere')], counting())).rejects.toThrow('no file');
    await expect(tokenDataset([empty, empty], counting(), { cache })).rejects.toThrow('the text is empty');
    await expect(tokenDataset([file('x.txt', 'xyz')], counting({ vocabularySize: 100 }), { cache })).rejects.toThrow(
      'the tokenizer gave the id 120, outside its vocabulary of 100',
    );
    await expect(tokenDataset([file('x.txt', 'xyz')], counting({ json: undefined }), { cache })).rejects.toThrow(
      'a cache needs a tokenizer with its json',
    );
    expect(readdirSync(folder).includes('cache') ? readdirSync(cache) : []).toEqual([]);
  });

  test('the files are written beside their description, which names what was tokenized', async () => {
    const path = file('named.txt', text);
    (await tokenDataset([path], counting(), { cache })).close();
    const [tokens, sidecar] = readdirSync(cache).toSorted();
    expect(sidecar).toBe(`${tokens}.json`);
    expect(JSON.parse(readFileSync(join(cache, sidecar!), 'utf8'))).toMatchObject({ files: [path], width: 4 });
  });
});
