import fc from 'fast-check';
import { expect, test } from 'vitest';
import { collect } from './collect.ts';
import { FakeDecoder, hashLogits } from './fake-decoder.ts';
import { generateTokens, type GenerateTokensOptions } from './generate-tokens.ts';
import type { GeneratedSequence, GeneratedToken } from './tokens.ts';

const V = 16;
const generate = (
  prompts: readonly (readonly number[])[],
  options: GenerateTokensOptions = {},
  decoder = new FakeDecoder({ vocabularySize: V }),
): Promise<GeneratedSequence[]> => collect(generateTokens(decoder, prompts, options));

const logProbabilities = (history: readonly number[]): number[] => {
  const logits = [...hashLogits(history, V)];
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  return logits.map((logit) => logit - Math.log(total));
};

const prompt = fc.array(fc.nat(V - 1), { minLength: 1, maxLength: 12 });

test('greedy generation takes the most probable token each time, and reports its log-probability', async () => {
  const [result] = await generate([[3, 1]], { maxNewTokens: 10 });
  const history = [3, 1];
  for (const [i, id] of result!.ids.entries()) {
    const expected = logProbabilities(history);
    expect(id).toBe(expected.indexOf(Math.max(...expected)));
    expect(result!.logprobs[i]).toBeCloseTo(expected[id]!, 10);
    history.push(id);
  }
  expect(result).toMatchObject({ row: 0, prompt: 0, promptLength: 2, finishReason: 'length', seed: null, score: null });
  expect(result!.ids).toHaveLength(10);
});

test('a batch of prompts of different lengths gives the same tokens as each alone', async () => {
  const options = fc.record(
    {
      temperature: fc.constantFrom(0, 0.7, 1, 1.5),
      topK: fc.constantFrom(0, 5),
      topP: fc.constantFrom(1, 0.8),
      minP: fc.constantFrom(0, 0.05),
      repetitionPenalty: fc.constantFrom(1, 1.3),
      presencePenalty: fc.constantFrom(0, 0.5),
      frequencyPenalty: fc.constantFrom(0, 0.3),
      seed: fc.maxSafeNat(),
      eosTokenIds: fc.uniqueArray(fc.nat(V - 1), { maxLength: 4 }),
      maxNewTokens: fc.nat(12),
    },
    { requiredKeys: ['seed'] },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(prompt, { minLength: 1, maxLength: 5 }), options, async (prompts, given) => {
      const together = await generate(prompts, given);
      for (const [p, one] of prompts.entries()) {
        const [alone] = await generate([one], given);
        expect(together[p]).toEqual({ ...alone, row: p, prompt: p });
      }
    }),
  );
});

test('several samples of each prompt do not depend on the batch, and share the first pass', async () => {
  const decoder = new FakeDecoder({ vocabularySize: V });
  const options = { temperature: 1, seed: 5, numReturnSequences: 3, maxNewTokens: 8, eosTokenIds: 2 };
  const together = await generate([[1, 2, 3], [4]], options, decoder);
  expect(decoder.passes[0]).toBe(2);
  const alone = await generate([[4]], options);
  expect(together.slice(3).map(({ ids }) => ids)).toEqual(alone.map(({ ids }) => ids));
  expect(together.map(({ row, prompt }) => [row, prompt])).toEqual([
    [0, 0],
    [1, 0],
    [2, 0],
    [3, 1],
    [4, 1],
    [5, 1],
  ]);
  expect(new Set(together.slice(0, 3).map(({ ids }) => String(ids))).size).toBe(3);
  const [first] = await generate([[4]], { ...options, numReturnSequences: 1 });
  expect(first!.ids).toEqual(alone[0]!.ids);
});

test('samples of one prompt take the place of another that ended at once', async () => {
  const logits = (history: readonly number[]): ArrayLike<number> =>
    history[0] === 9 ? Array.from({ length: V }, (_, id) => (id === 2 ? 99 : 0)) : hashLogits(history, V);
  const options = { temperature: 1, seed: 5, numReturnSequences: 2, maxNewTokens: 8, eosTokenIds: 2 };
  const together = await generate([[9], [4]], options, new FakeDecoder({ vocabularySize: V, logits }));
  const alone = await generate([[4]], options);
  expect(together.map(({ ids }) => ids)).toEqual([[2], [2], ...alone.map(({ ids }) => ids)]);
});

test('the same seed gives the same tokens, another seed others, and a random one is reported', async () => {
  const run = async (seed?: number): Promise<GeneratedSequence> =>
    (await generate([[7]], { temperature: 1, maxNewTokens: 20, seed }))[0]!;
  expect(await run(1)).toEqual(await run(1));
  const seeds = [1, 2, 2 ** 32 + 1, 2 ** 53 - 1];
  const texts = await Promise.all(seeds.map(run));
  expect(new Set(texts.map(({ ids }) => String(ids))).size).toBe(4);
  const free = await run();
  expect(await run(free.seed!)).toEqual(free);
});

test('seeds can be given for each prompt', async () => {
  const together = await generate([[7], [7]], { temperature: 1, seed: [1, 2] });
  const [one] = await generate([[7]], { temperature: 1, seed: 1 });
  const [two] = await generate([[7]], { temperature: 1, seed: 2 });
  expect(together.map(({ ids }) => ids)).toEqual([one!.ids, two!.ids]);
  expect(() => generateTokens(new FakeDecoder(), [[1]], { temperature: 1, seed: [1, 2] })).toThrow(
    '2 seeds for 1 prompts',
  );
});

test('sampling follows the distribution that the processors leave', async () => {
  // Logits 2, 1, 0, -1 at temperature 2: probabilities of e^1, e^0.5, e^0 and e^-0.5; top-k takes the last away.
  const decoder = new FakeDecoder({ vocabularySize: 4, logits: () => [2, 1, 0, -1] });
  const runs = 3000;
  const results = await generate(
    [[0]],
    { temperature: 2, topK: 3, numReturnSequences: runs, maxNewTokens: 1, seed: 11 },
    decoder,
  );
  const counts = [0, 0, 0, 0];
  for (const { ids } of results) counts[ids[0]!]!++;
  const weights = [1, 0.5, 0].map(Math.exp);
  const total = weights.reduce((a, b) => a + b);
  expect(counts[3]).toBe(0);
  const chi = weights.reduce((sum, w, id) => sum + (counts[id]! - (runs * w) / total) ** 2 / ((runs * w) / total), 0);
  expect(chi).toBeLessThan(13.8); // 2 degrees of freedom, one of a thousand
  const sum = [2, 1, 0, -1].reduce((all, logit) => all + Math.exp(logit), 0);
  for (const { ids, logprobs } of results.slice(0, 20))
    expect(logprobs[0]).toBeCloseTo(2 - ids[0]! - Math.log(sum), 10); // the model's own, not the processed
});

test('a row stops at an end token, and leaves the batch', async () => {
  // The last token of the prompt counts down to 0, the end.
  const count = (history: readonly number[]): number[] =>
    Array.from({ length: V }, (_, id) => (id === history.at(-1)! - 1 ? 5 : 0));
  const decoder = new FakeDecoder({ vocabularySize: V, logits: count });
  const results = await generate([[9, 2], [5], [3]], { eosTokenIds: [0, 15] }, decoder);
  expect(results.map(({ ids }) => ids)).toEqual([
    [1, 0],
    [4, 3, 2, 1, 0],
    [2, 1, 0],
  ]);
  expect(results.every(({ finishReason }) => finishReason === 'eos')).toBe(true);
  expect(decoder.passes).toEqual([3, 3, 2, 1, 1]);
});

test("tokens come out as they are made, rows in order, each row's last with its finish reason", async () => {
  const tokens: GeneratedToken[] = [];
  await collect(generateTokens(new FakeDecoder(), [[1], [2]], { maxNewTokens: 2 }), (token) => tokens.push(token));
  expect(tokens.map(({ row, step, finishReason }) => [row, step, finishReason])).toEqual([
    [0, 0, null],
    [1, 0, null],
    [0, 1, 'length'],
    [1, 1, 'length'],
  ]);
});

test('generation ends where prompt and text fill the context', async () => {
  const decoder = new FakeDecoder({ vocabularySize: V, contextLength: 8 });
  const results = await generate([[1, 2, 3], [1], [1, 2, 3, 4, 5, 6, 7, 8]], { maxNewTokens: 100 }, decoder);
  expect(results.map(({ ids, finishReason }) => [ids.length, finishReason])).toEqual([
    [5, 'length'],
    [7, 'length'],
    [0, 'length'],
  ]);
});

test('maxNewTokens of 0 generates nothing and runs nothing', async () => {
  const decoder = new FakeDecoder();
  const [result] = await generate([[1]], { maxNewTokens: 0 }, decoder);
  expect(result).toMatchObject({ ids: [], logprobs: [], finishReason: 'length' });
  expect(decoder.passes).toEqual([]);
});

test('prompts that cannot be continued are refused before any work', () => {
  const start = (prompts: number[][]) => () =>
    generateTokens(new FakeDecoder({ vocabularySize: V, contextLength: 4 }), prompts);
  expect(start([])).toThrow('no prompts; needs one or more');
  expect(start([[1], []])).toThrow('prompt 1 is empty; needs one token or more');
  expect(start([[1, 2, 3, 4, 5, 6]])).toThrow(
    "prompt 0 has 6 tokens, but the model's context holds 4; shorten it by 2 or more",
  );
  expect(start([[1], [2, 16]])).toThrow('prompt 1 holds id 16; needs whole numbers from 0 to 15');
  expect(start([[-1]])).toThrow('prompt 0 holds id -1');
  expect(start([[0.5]])).toThrow('prompt 0 holds id 0.5');
});

test('stopWhen ends its row with the token it saw', async () => {
  const [first, second] = await generate([[1], [2]], { maxNewTokens: 6 });
  const seen: number[] = [];
  const results = await generate([[1], [2]], {
    maxNewTokens: 6,
    stopWhen: ({ row, id }) => row === 1 && seen.push(id) === 3,
  });
  expect(results[0]!.ids).toEqual(first!.ids);
  expect(results[1]!.ids).toEqual(second!.ids.slice(0, 3));
  expect(results.map(({ finishReason }) => finishReason)).toEqual(['length', 'stop']);
});

test('an abort between tokens keeps what there is', async () => {
  const controller = new AbortController();
  const decoder = new FakeDecoder();
  const tokens: GeneratedToken[] = [];
  const [whole] = await generate([[1]], { maxNewTokens: 10 });
  const results = await collect(
    generateTokens(decoder, [[1]], { maxNewTokens: 10, signal: controller.signal }),
    (token) => {
      if (tokens.push(token) === 3) controller.abort();
    },
  );
  expect(results[0]).toMatchObject({ ids: whole!.ids.slice(0, 3), finishReason: 'aborted' });
  expect(tokens).toHaveLength(3);
  expect(decoder.passes).toHaveLength(3);
});

test('an abort amid a pass ends without an error and without its token', async () => {
  const controller = new AbortController();
  let passes = 0;
  const decoder = new FakeDecoder({
    onPass: () => {
      if (++passes === 3) controller.abort();
    },
  });
  const results = await generate([[1], [2]], { maxNewTokens: 10, signal: controller.signal }, decoder);
  expect(results.map(({ ids, finishReason }) => [ids.length, finishReason])).toEqual([
    [2, 'aborted'],
    [2, 'aborted'],
  ]);
});

test('a signal that was aborted before runs nothing', async () => {
  const decoder = new FakeDecoder();
  const [result] = await generate([[1]], { signal: AbortSignal.abort() }, decoder);
  expect(result).toMatchObject({ ids: [], finishReason: 'aborted' });
  expect(decoder.passes).toEqual([]);
});

test('an error of the decoder and logits that are not numbers come out as errors', async () => {
  const failing = new FakeDecoder({
    onPass: () => {
      throw new Error('out of memory');
    },
  });
  await expect(generate([[1]], {}, failing)).rejects.toThrow('out of memory');
  const broken = new FakeDecoder({ vocabularySize: 2, logits: () => [NaN, 0] });
  await expect(generate([[1]], {}, broken)).rejects.toThrow('Are the weights right');
});

test('logprobs gives the most probable alternatives by the model itself, best first', async () => {
  const tokens: GeneratedToken[] = [];
  await collect(
    generateTokens(new FakeDecoder({ vocabularySize: V }), [[1, 2]], {
      maxNewTokens: 1,
      logprobs: 3,
      temperature: 5,
      seed: 1,
    }),
    (token) => tokens.push(token),
  );
  const expected = logProbabilities([1, 2]);
  const best = [...expected.keys()].sort((a, b) => expected[b]! - expected[a]!).slice(0, 3);
  expect(tokens[0]!.alternatives.map(({ id }) => id)).toEqual(best);
  tokens[0]!.alternatives.forEach(({ id, logprob }) => expect(logprob).toBeCloseTo(expected[id]!, 10));
});

test('own processors run after the penalties and see the row they change', async () => {
  const seen: number[][] = [];
  const [result] = await generate([[1, 2]], {
    maxNewTokens: 3,
    processors: [
      (logits, { ids, promptLength }) => {
        seen.push([promptLength, ...ids]);
        logits.fill(-Infinity);
        logits[ids.length] = 1;
      },
    ],
  });
  expect(result!.ids).toEqual([2, 3, 4]);
  expect(seen).toEqual([
    [2, 1, 2],
    [2, 1, 2, 2],
    [2, 1, 2, 2, 3],
  ]);
});

test('penalties make greedy text repeat less', async () => {
  const stuck = { vocabularySize: 4, logits: () => [3, 2.5, 2, -9] };
  const run = async (options: GenerateTokensOptions): Promise<readonly number[]> =>
    (await generate([[3]], { maxNewTokens: 4, ...options }, new FakeDecoder(stuck)))[0]!.ids;
  expect(await run({})).toEqual([0, 0, 0, 0]);
  expect(await run({ presencePenalty: 2 })).toEqual([0, 1, 2, 0]);
  expect(await run({ frequencyPenalty: 0.4 })).toEqual([0, 0, 1, 0]);
  expect(await run({ repetitionPenalty: 2 })).toEqual([0, 1, 2, 0]);
});

test('a loop that is left early runs nothing more', async () => {
  const decoder = new FakeDecoder();
  for await (const token of generateTokens(decoder, [[1]])) if (token.step === 1) break;
  expect(decoder.passes).toHaveLength(2);
});
