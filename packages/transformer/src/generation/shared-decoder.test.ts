// Many generations over one decoder give what each gives alone.
import { setTimeout } from 'node:timers/promises';
import { initialize } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { GPT2LMHeadModel } from '../architectures/gpt2.ts';
import { CachedDecoder } from '../decoder.ts';
import { collect } from './collect.ts';
import { generateTokens, type GenerateTokensOptions } from './generate-tokens.ts';
import { SharedDecoder } from './shared-decoder.ts';

const V = 29;
const model = new GPT2LMHeadModel({ vocab_size: V, n_positions: 40, n_embd: 16, n_layer: 2, n_head: 2 });
const weights = new Map(
  [...initialize(model, 3)].map(([name, { shape, data }]): [string, HostTensor] => [
    name,
    hostTensor(
      (data as Float32Array).map((v) => 8 * v),
      shape as number[],
    ),
  ]),
);
const inner = new CachedDecoder(model, weights);
const alone = new CachedDecoder(model, weights);
afterAll(async () => {
  await inner.dispose();
  await alone.dispose();
});
let shared: SharedDecoder;
beforeEach(() => {
  shared = new SharedDecoder(inner, { maxRows: 5, maxPromptTokens: 20 });
});

const prompt = (n: number, from: number): number[] => Array.from({ length: n }, (_, i) => (i * 7 + from) % V);

async function through(ids: number[], options: GenerateTokensOptions, rows = 1): Promise<number[][]> {
  const lane = shared.lane(rows);
  try {
    return (await collect(generateTokens(lane, [ids], options))).map((one) => [...one.ids]);
  } finally {
    await lane.dispose();
  }
}

test('more generations than rows, of all lengths and kinds, give the tokens that each gives alone', async () => {
  const jobs = Array.from({ length: 14 }, (_, i) => ({
    ids: prompt(1 + ((i * 5) % 33), i),
    rows: i % 5 === 4 ? 2 : 1,
    options: {
      maxNewTokens: 3 + ((i * 3) % 20),
      seed: i,
      ...(i % 3 || i % 5 === 4 ? { temperature: 1.1, topK: 20 } : { temperature: 0 }),
      ...(i % 5 === 4 && { numReturnSequences: 2 }),
      ...(i % 4 === 1 && { contextShift: true }),
      eosTokenIds: i % 2 ? [4] : [],
    } satisfies GenerateTokensOptions,
  }));
  const found = await Promise.all(
    jobs.map(async ({ ids, options, rows }, i) => {
      await setTimeout(i % 4); // some come while others are written
      return await through(ids, options, rows);
    }),
  );
  for (const [i, { ids, options }] of jobs.entries()) {
    const expected = (await collect(generateTokens(alone, [ids], options))).map((one) => [...one.ids]);
    expect(found[i], `job ${i}`).toEqual(expected);
  }
  expect([shared.rows, shared.waiting]).toEqual([0, 0]);
});

test('a generation whose reader is slow doesn’t hold up the others, nor do its tokens change', async () => {
  const lane = shared.lane();
  const slow = generateTokens(lane, [prompt(4, 1)], { maxNewTokens: 12, temperature: 0 });
  const ids: number[] = [];
  const begun = await slow.next();
  if (!begun.done) ids.push(begun.value.id);
  const fast = await Promise.all([1, 2, 3].map((i) => through(prompt(6, i), { maxNewTokens: 15, temperature: 0 })));
  expect(fast.map(([one]) => one!.length)).toEqual([15, 15, 15]);
  for (;;) {
    const next = await slow.next();
    if (next.done) break;
    ids.push(next.value.id);
  }
  await lane.dispose();
  const [expected] = await collect(generateTokens(alone, [prompt(4, 1)], { maxNewTokens: 12, temperature: 0 }));
  expect(ids).toEqual(expected!.ids);
});

test('one that is given up frees its rows, at once where it waits', async () => {
  const stop = new AbortController();
  const first = Array.from({ length: 5 }, (_, i) =>
    through(prompt(5, i), { maxNewTokens: 30, temperature: 0, signal: stop.signal }),
  );
  const waits = through(prompt(3, 1), { maxNewTokens: 5, temperature: 0, signal: AbortSignal.timeout(30) });
  await setTimeout(5);
  expect(shared.waiting).toBeGreaterThan(0);
  stop.abort();
  const given = await Promise.all(first);
  expect(given.some(([one]) => one!.length < 30)).toBe(true);
  await waits;
  const [next] = await through(prompt(3, 1), { maxNewTokens: 5, temperature: 0 });
  const [expected] = await collect(generateTokens(alone, [prompt(3, 1)], { maxNewTokens: 5, temperature: 0 }));
  expect(next).toEqual(expected!.ids);
});

describe('errors', () => {
  test('of the decoder reach all who wait, and those who come later start over', async () => {
    const broken = new CachedDecoder(model, weights);
    let fails = false;
    const faulty = new SharedDecoder(
      new Proxy(broken, {
        get(target, name) {
          const own = Reflect.get(target, name, target) as unknown;
          if (name === 'stepMany' && fails) return () => Promise.reject(new Error('out of memory'));
          return typeof own === 'function' ? own.bind(target) : own;
        },
      }),
    );
    const lane = faulty.lane();
    await lane.prefill([[1, 2]]);
    fails = true;
    await expect(lane.step([3])).rejects.toThrow('out of memory');
    await expect(lane.step([3])).rejects.toThrow('out of memory');
    fails = false;
    await lane.prefill([[1, 2]]);
    expect(await lane.step([3])).toHaveLength(V);
    await lane.dispose();
    await broken.dispose();
  });

  test('what can’t be is refused before it reaches the others', async () => {
    expect(() => shared.lane(6)).toThrow('a lane of 6 rows; needs 1 to 5');
    expect(() => new SharedDecoder(inner, { maxRows: 0 })).toThrow('maxRows is 0');
    const lane = shared.lane();
    await expect(lane.prefill([[V]])).rejects.toThrow(/29/);
    await expect(lane.prefill([[1], [2]])).rejects.toThrow('2 prompts for a lane of 1 rows');
    await lane.dispose();
  });
});
