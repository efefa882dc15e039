// Speculative decoding gives the tokens, or the distribution of tokens, that the model gives alone.
import { describe, expect, test } from 'vitest';
import { initialize } from '@brickwork/nn';
import { CachedDecoder } from '../decoder.ts';
import { GPT2LMHeadModel } from '../architectures/gpt2.ts';
import { LlamaForCausalLM } from '../architectures/llama.ts';
import type { AssistedSequence } from './assisted.ts';
import { collect } from './collect.ts';
import { FakeDecoder, hashLogits } from './fake-decoder.ts';
import { generateTokens, type GenerateTokensOptions } from './generate-tokens.ts';

const V = 16;
/** Guesses right most of the time. */
const draftLogits = (history: readonly number[]): Float32Array => {
  const logits = hashLogits(history, V);
  if (history.length % 4 === 0) logits.reverse();
  return logits;
};
const alone = async (options: GenerateTokensOptions, prompt = [1, 2, 3]): Promise<unknown> => {
  const [one] = await collect(generateTokens(new FakeDecoder(), [prompt], options));
  return { ids: one!.ids, finishReason: one!.finishReason, logprobs: one!.logprobs };
};

describe('greedy', () => {
  test.each([
    ['plain', {}],
    ['ends at an end token', { eosTokenIds: [3, 7] }],
    ['with penalties, which see every token', { repetitionPenalty: 1.7, frequencyPenalty: 0.3, noRepeatNgramSize: 2 }],
    ['stops where asked', { stopWhen: ({ id }: { id: number }) => id === 5 }],
    ['to the end of the context', { maxNewTokens: 500 }],
    ['one token', { maxNewTokens: 1 }],
    ['none', { maxNewTokens: 0 }],
  ])('%s: the same tokens, whatever the draft guesses and how many', async (_, more) => {
    const options = { maxNewTokens: 40, ...more };
    const expected = await alone(options);
    for (const draftTokens of [1, 3, 9])
      for (const logits of [
        draftLogits,
        (history: readonly number[]) => hashLogits(history, V),
        () => new Float32Array(V),
      ]) {
        const decoder = new FakeDecoder();
        const draft = new FakeDecoder({ logits });
        const [one] = (await collect(
          generateTokens(decoder, [[1, 2, 3]], { ...options, draft, draftTokens }),
        )) as AssistedSequence[];
        expect({ ids: one!.ids, finishReason: one!.finishReason, logprobs: one!.logprobs }).toEqual(expected);
        expect(one!.accepted).toBeLessThanOrEqual(one!.drafted);
      }
  });
  test('a draft that is right takes a pass for all that it guesses', async () => {
    const decoder = new FakeDecoder();
    const draft = new FakeDecoder();
    const options = { maxNewTokens: 31, draft, draftTokens: 5 };
    const [one] = (await collect(generateTokens(decoder, [[1]], options))) as AssistedSequence[];
    expect([one!.drafted, one!.accepted]).toEqual([25, 25]);
    expect(decoder.passes).toHaveLength(1 + 5);
  });
  test.each([2, 5, 12, 63])('a draft that sees %i tokens helps as far as it can', async (contextLength) => {
    const expected = await alone({ maxNewTokens: 50 });
    const draft = new FakeDecoder({ contextLength, logits: draftLogits });
    const [one] = await collect(
      generateTokens(new FakeDecoder(), [[1, 2, 3]], { maxNewTokens: 50, draft, draftTokens: 4 }),
    );
    expect({ ids: one!.ids, finishReason: one!.finishReason, logprobs: one!.logprobs }).toEqual(expected);
  });
  test.each(['gpt2', 'llama'])('%s: real caches, cut back after wrong guesses', async (type) => {
    const sizes = {
      vocab_size: 23,
      hidden_size: 16,
      intermediate_size: 24,
      num_attention_heads: 2,
      max_position_embeddings: 40,
    };
    const gpt = { vocab_size: 23, n_positions: 40, n_embd: 16, n_head: 2 };
    const make = (layers: number, seed: number): CachedDecoder => {
      const model =
        type === 'gpt2'
          ? new GPT2LMHeadModel({ ...gpt, n_layer: layers })
          : new LlamaForCausalLM({ ...sizes, num_hidden_layers: layers, num_key_value_heads: 1 });
      const weights = new Map(
        [...initialize(model, seed)].map(([n, t]) => [n, { ...t, data: t.data.map((v) => v * 6) }]),
      );
      return new CachedDecoder(model, weights, { threads: 1 });
    };
    const [decoder, draft] = [make(2, 1), make(1, 2)];
    for (const prompt of [[1, 2, 3], [7]]) {
      const [plain] = await collect(generateTokens(decoder, [prompt], { maxNewTokens: 30 }));
      const [helped] = (await collect(
        generateTokens(decoder, [prompt], { maxNewTokens: 30, draft, draftTokens: 4 }),
      )) as AssistedSequence[];
      expect(helped!.ids).toEqual(plain!.ids);
      const [self] = (await collect(
        generateTokens(decoder, [prompt], { maxNewTokens: 30, draft: make(2, 1) }),
      )) as AssistedSequence[];
      expect(self!.ids).toEqual(plain!.ids);
      expect(self!.accepted).toBe(self!.drafted);
    }
    await decoder.dispose();
    await draft.dispose();
  });
});

test('sampled: tokens are as probable as without a draft', async () => {
  const own = (history: readonly number[]): Float32Array => hashLogits(history, 4).map((v) => v / 3);
  const other = (history: readonly number[]): Float32Array => hashLogits([...history, 1], 4).map((v) => v / 3);
  const softmax = (logits: Float32Array): number[] => {
    const each = Array.from(logits, Math.exp);
    const total = each.reduce((a, b) => a + b);
    return each.map((v) => v / total);
  };
  const counts = new Map<string, number>();
  const runs = 20_000;
  const decoder = new FakeDecoder({ vocabularySize: 4, logits: own });
  const draft = new FakeDecoder({ vocabularySize: 4, logits: other });
  let kept = 0;
  for (let seed = 0; seed < runs; seed++) {
    const options = { maxNewTokens: 3, doSample: true, seed, draft, draftTokens: 2 };
    const [one] = (await collect(generateTokens(decoder, [[1]], options))) as AssistedSequence[];
    kept += one!.accepted;
    counts.set(one!.ids.join(), (counts.get(one!.ids.join()) ?? 0) + 1);
  }
  expect(kept / runs).toBeGreaterThan(0.5); // both ways are taken often
  let chi = 0;
  for (let a = 0; a < 4; a++)
    for (let b = 0; b < 4; b++)
      for (let c = 0; c < 4; c++) {
        const p = softmax(own([1]))[a]! * softmax(own([1, a]))[b]! * softmax(own([1, a, b]))[c]!;
        chi += ((counts.get([a, b, c].join()) ?? 0) - runs * p) ** 2 / (runs * p);
      }
  // 63 degrees of freedom: 95 is passed once in a hundred and fifty times; a wrong rule gives thousands.
  expect(chi).toBeLessThan(95);
});

test('what can’t work is said at once', async () => {
  const run = (options: GenerateTokensOptions, prompts = [[1]]): Promise<unknown> =>
    (async () => collect(generateTokens(new FakeDecoder(), prompts, options)))();
  await expect(run({ draft: new FakeDecoder() }, [[1], [2]])).rejects.toThrow('one at a time');
  await expect(run({ draft: new FakeDecoder({ vocabularySize: 9 }) })).rejects.toThrow(
    "draft's vocabulary has 9 tokens",
  );
  await expect(run({ draft: new FakeDecoder(), numBeams: 2 })).rejects.toThrow("draft and numBeams don't go together");
  const stop = AbortSignal.abort();
  const [one] = (await run({ draft: new FakeDecoder(), signal: stop })) as AssistedSequence[];
  expect([one!.ids, one!.finishReason]).toEqual([[], 'aborted']);
});
