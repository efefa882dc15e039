// The cache changes nothing: step by step gives what one pass over the whole text gives, whatever the rows.
import { afterAll, describe, expect, test } from 'vitest';
import { input } from '@brickwork/graph';
import { evaluating, initialize } from '@brickwork/nn';
import { compile, hostTensor, type HostTensor, type Program } from '@brickwork/runtime';
import { GPT2LMHeadModel } from './architectures/gpt2.ts';
import { CachedDecoder } from './decoder.ts';

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
