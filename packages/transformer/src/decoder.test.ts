// The cache changes nothing: step by step gives what one pass over the whole text gives, whatever the rows.
import { afterAll, describe, expect, test } from 'vitest';
import { input } from '@brickwork/graph';
import { evaluating, initialize } from '@brickwork/nn';
import { compile, hostTensor, type HostTensor, type Program } from '@brickwork/runtime';
import { buildNetwork } from './architecture.ts';
import { GPT2LMHeadModel } from './architectures/gpt2.ts';
import { architectures } from './architectures/index.ts';
import { CachedDecoder } from './decoder.ts';
import { Model } from './model.ts';

const V = 17;
const model = new GPT2LMHeadModel({ vocab_size: V, n_positions: 150, n_embd: 8, n_layer: 2, n_head: 2 });
const weights = new Map(
  [...initialize(model, 3)].map(([name, { shape, data }]): [string, HostTensor] => [
    name,
    // Larger than usual, so that another token gives other logits.
    hostTensor(
      Float32Array.from(data as Float32Array, (v) => v * 8),
      shape as number[],
    ),
  ]),
);
const programs: (Program | CachedDecoder)[] = [];
afterAll(async () => {
  for (const p of programs) await p.dispose();
});
const decoder = new CachedDecoder(model, weights);
programs.push(decoder);

let whole: Program | null = null;
/** The logits after the last token of a text, by one pass without a cache. */
async function fullPass(ids: readonly number[]): Promise<number[]> {
  if (!whole) {
    const { last } = model.forward(input('input_ids', ['B', 'T'], 'int64'), evaluating());
    programs.push((whole = await compile({ logits: model.head(last) })));
  }
  const feeds = new Map([...weights, ['input_ids', hostTensor(BigInt64Array.from(ids, BigInt), [1, ids.length])]]);
  const { logits } = await whole.run(feeds as Map<string, HostTensor>);
  return [...(logits!.data as Float32Array).slice(-V)];
}
const row = (logits: Float32Array, r: number): number[] => [...logits.subarray(r * V, (r + 1) * V)];
const text = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => ((i + from) * 7 + (i >> 2)) % V);

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  // The cached step sums the same float32 terms in another order.
  actual.forEach((a, i) => expect(Math.abs(a - expected[i]!)).toBeLessThan(1e-4));
}

test('steps give the logits of one pass over the whole text, past the growth of the cache and up to the full context', async () => {
  const ids = text(150);
  let logits = await decoder.prefill([ids.slice(0, 60)]);
  expectClose(row(logits, 0), await fullPass(ids.slice(0, 60)));
  for (let n = 61; n <= 150; n++) {
    logits = await decoder.step([ids[n - 1]!]);
    if (n % 9 === 0 || n > 145 || (n > 62 && n < 67)) expectClose(row(logits, 0), await fullPass(ids.slice(0, n)));
  }
  await expect(decoder.step([1])).rejects.toThrow(/context of 150 tokens is full/);
});

test('rows of different lengths don’t see each other or the padding', async () => {
  const rows = [text(5), text(30, 4), text(1, 9)];
  let logits = await decoder.prefill(rows);
  for (let n = 0; n < 4; n++) {
    for (const [r, ids] of rows.entries()) expectClose(row(logits, r), await fullPass(ids));
    const next = rows.map((ids) => (ids.at(-1)! + 3) % V);
    next.forEach((id, r) => rows[r]!.push(id));
    logits = await decoder.step(next);
  }
});

test('reordered rows go on from what their source was; rows may double and disappear', async () => {
  const rows = [text(5), text(9, 4), text(3, 9)];
  await decoder.prefill(rows);
  decoder.reorder([2, 0, 0, 2]);
  const now = [rows[2]!, rows[0]!, rows[0]!, rows[2]!].map((ids, i) => [...ids, i]);
  let logits = await decoder.step([0, 1, 2, 3]);
  for (const [r, ids] of now.entries()) expectClose(row(logits, r), await fullPass(ids));
  decoder.reorder([3]);
  logits = await decoder.step([5]);
  expectClose(row(logits, 0), await fullPass([...now[3]!, 5]));
});

test('rows join while others are written, and leave', async () => {
  const rows = [text(70), text(9, 4)];
  await decoder.prefill(rows);
  let logits = await decoder.join([text(3, 9)]);
  expectClose(row(logits, 0), await fullPass(text(3, 9)));
  rows.push(text(3, 9));
  rows.forEach((ids, r) => ids.push(r));
  logits = await decoder.step([0, 1, 2]);
  for (const [r, ids] of rows.entries()) expectClose(row(logits, r), await fullPass(ids));
  decoder.reorder([2, 1]);
  logits = await decoder.join([text(100, 2), text(2)]);
  expectClose(row(logits, 0), await fullPass(text(100, 2)));
  const now = [rows[2]!, rows[1]!, text(100, 2), text(2)].map((ids) => [...ids, 7]);
  logits = await decoder.step([7, 7, 7, 7]);
  for (const [r, ids] of now.entries()) expectClose(row(logits, r), await fullPass(ids));
});

test('prompts of several passes; and what normalises each row of logits', async () => {
  const long = new GPT2LMHeadModel({ vocab_size: V, n_positions: 700, n_embd: 8, n_layer: 2, n_head: 2 });
  const own = new Map([
    ...weights,
    [
      'transformer.wpe.weight',
      hostTensor(
        Float32Array.from({ length: 5600 }, (_, i) => Math.sin(i)),
        [700, 8],
      ),
    ],
  ] as [string, HostTensor][]);
  const whole_ = new CachedDecoder(long, own);
  const ids = text(600);
  const found = Float32Array.from(await whole_.prefill([ids, ids.slice(0, 300), ids.slice(0, 10)]));
  for (const [r, n] of [600, 300, 10].entries()) {
    await whole_.prefill([ids.slice(0, 1)]);
    let step = new Float32Array(0) as Float32Array;
    for (let at = 1; at < n; at += 1) step = await whole_.step([ids[at]!]);
    expectClose(row(found, r), row(step, 0));
    const sum = row(step, 0).reduce((s, x) => s + Math.exp(x), 0);
    expect(whole_.normalizers[0]).toBeCloseTo(Math.log(sum), 5);
  }
  await whole_.dispose();
});

describe('in a thread of its own', () => {
  const own = new CachedDecoder(model, weights, { worker: true, hiddenStates: true });
  programs.push(own);

  test('gives what it gives here', async () => {
    const here = new CachedDecoder(model, weights, { hiddenStates: true });
    const both = async (run: (d: CachedDecoder) => Promise<Float32Array>): Promise<void> => {
      expect([...(await run(own))]).toEqual([...(await run(here))]);
      expect([...own.normalizers]).toEqual([...here.normalizers]);
    };
    await both((d) => d.prefill([text(5), text(70, 3)]));
    await both((d) => d.step([1, 2]));
    for (const d of [own, here]) d.reorder([1, 0, 1]);
    await both((d) =>
      d.stepMany([
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
    );
    for (const d of [own, here]) d.truncate([4, 6, 8]);
    await both((d) => d.join([text(4)]));
    await both((d) => d.step([1, 2, 3, 4]));
    expect(own.hiddenStates(1)).toEqual(here.hiddenStates(1));
    await here.dispose();
  });

  test('can be given up, and used again', async () => {
    const stop = new AbortController();
    const given = own.prefill([text(150)], stop.signal);
    stop.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    expectClose(row(await own.prefill([text(4, 2)]), 0), await fullPass(text(4, 2)));
    await own.dispose();
    expectClose(row(await own.prefill([text(4, 2)]), 0), await fullPass(text(4, 2)));
  });
});

test('a model that isn’t small gives its decoders a thread, unless told otherwise', async () => {
  const large = buildNetwork(
    { ...{ model_type: 'gpt2', vocab_size: 20_000, n_positions: 8 }, ...{ n_embd: 256, n_layer: 1, n_head: 2 } },
    architectures,
    'GPT2LMHeadModel',
  );
  const values = new Map([...initialize(large.network, 1)] as [string, HostTensor][]);
  const whole = new Model({ ...large, weights: values, config: {} });
  const threads = async (options?: Parameters<Model['decoder']>[0]): Promise<number> => {
    const count = (): number => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;
    const before = count();
    const own = whole.decoder(options);
    const reading = own.prefill([[1, 2]]);
    while (count() === before && !options) await new Promise((resolve) => setTimeout(resolve, 5));
    const during = count();
    await reading;
    await own.dispose();
    return during - before;
  };
  expect(await threads()).toBeGreaterThan(0);
  expect(await threads({ worker: false })).toBe(0);
});

describe('weights in few bits', () => {
  const wide = new GPT2LMHeadModel({ vocab_size: 64, n_positions: 40, n_embd: 64, n_layer: 2, n_head: 2 });
  const values = new Map(
    [...initialize(wide, 3)].map(([name, { shape, data }]): [string, HostTensor] => [
      name,
      hostTensor(data as Float32Array, shape as number[]),
    ]),
  );
  const logits = async (options: ConstructorParameters<typeof CachedDecoder>[2]): Promise<number[]> => {
    const own = new CachedDecoder(wide, values, options);
    await own.prefill([[1, 2, 3]]);
    const found = [...(await own.step([4]))];
    await own.dispose();
    return found;
  };
  const apart = (a: readonly number[], b: readonly number[]): number =>
    Math.max(...a.map((x, i) => Math.abs(x - b[i]!))) / Math.max(...b.map(Math.abs));

  test('are near those in 32; layers that are kept are nearer', async () => {
    const exact = await logits({});
    const [eight, four, kept] = [
      apart(await logits({ dtype: 'int8' }), exact),
      apart(await logits({ dtype: 'int4' }), exact),
      apart(await logits({ dtype: 'int4', dtypeOf: (name) => (name.includes('mlp') ? 'int4' : 'fp32') }), exact),
    ];
    // Steps of 1/254 and 1/15 of a block's range, through two layers.
    expect(eight).toBeGreaterThan(0);
    expect(eight).toBeLessThan(0.03);
    expect(four).toBeGreaterThan(eight);
    expect(four).toBeLessThan(0.3);
    expect(kept).toBeLessThan(four);
    expect(kept).toBeGreaterThan(0);
  });

  test('what isn’t there is said', () => {
    expect(() => new CachedDecoder(wide, values, { dtype: 'int2' as never })).toThrow(
      'dtype is "int2"; there are fp32, int8, int4',
    );
    expect(() => new CachedDecoder(wide, values, { dtype: 'int4', programs: new Map() })).toThrow('merge the adapter');
  });
});

test('a second prompt starts over', async () => {
  await decoder.prefill([text(20), text(3)]);
  expectClose(row(await decoder.prefill([text(4, 2)]), 0), await fullPass(text(4, 2)));
});

describe('refused', () => {
  test.each([
    [[], /no prompts/],
    [[[1], []], /prompt 1 is empty/],
    [[text(151)], /prompt 0 has 151 tokens, but the model sees 150; cut the prompt/],
    [[[1, V]], /id 17 in prompt 0 is outside the vocabulary of 17/],
    [[[-1]], /id -1 in prompt 0 is outside/],
    [[[1.5]], /id 1.5 in prompt 0 is outside/],
  ])('prompts %#', async (prompts, message) => {
    await expect(decoder.prefill(prompts)).rejects.toThrow(message);
  });

  test('steps that don’t fit the rows, and leave them as they were', async () => {
    await decoder.prefill([text(3), text(4)]);
    await expect(decoder.step([1])).rejects.toThrow(/1 tokens for 2 rows/);
    await expect(decoder.step([1, V])).rejects.toThrow(/id 17 is outside/);
    expect(() => decoder.reorder([0, 2])).toThrow(/reorder to row 2 of 2/);
    expectClose(row(await decoder.step([6, 7]), 1), await fullPass([...text(4), 7]));
  });

  test('an aborted signal', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(decoder.prefill([[1]], signal)).rejects.toThrow('enough');
    await decoder.prefill([[1]]);
    await expect(decoder.step([1], signal)).rejects.toThrow('enough');
  });
});

test('after disposing it compiles anew where it is used again', async () => {
  const own = new CachedDecoder(model, weights);
  await own.prefill([[1, 2]]);
  await own.dispose();
  expectClose(row(await own.prefill([[1, 2]]), 0), await fullPass([1, 2]));
  await own.dispose();
});
