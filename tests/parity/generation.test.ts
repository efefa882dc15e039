// Generation on a real model: the compiled graphs, the cache and the loop together, against PyTorch and against itself.
import { collect, generateTokens, loadModel, type Model } from '../../packages/transformer/src/index.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixture, hasShared, sharedPath, type Fixture } from '../fixtures.ts';

describe.skipIf(!hasShared)('generation with the reference checkpoints (../shared)', () => {
  const models = new Map<string, { lm: Model; reference: Fixture; decoder: ReturnType<Model['decoder']> }>();
  beforeAll(async () => {
    for (const name of ['gpt2', 'gpt2_beam']) {
      const lm = await loadModel(sharedPath(`fixtures/checkpoints/${name}`));
      models.set(name, { lm, reference: await fixture(name), decoder: lm.decoder() });
    }
  });
  afterAll(async () => {
    for (const { decoder } of models.values()) await decoder.dispose();
  });

  test.each(['gpt2', 'gpt2_beam'])('%s generates the tokens that PyTorch generates', async (name) => {
    const { reference, decoder } = models.get(name)!;
    const { max_new_tokens: maxNewTokens, num_beams: numBeams = 1, tokens, prompt } = reference.json.generate;
    const found = await collect(
      generateTokens(decoder, prompt.input_ids, { maxNewTokens, numBeams, eosTokenIds: 50256 }),
    );
    expect(found.map(({ ids, prompt: p }) => [...prompt.input_ids[p]!, ...ids])).toEqual(tokens);
  });

  test.each([
    ['greedy', {}],
    ['sampled', { temperature: 1.2, topK: 40, topP: 0.95, seed: 17 }],
    ['penalised', { temperature: 0.9, repetitionPenalty: 1.2, presencePenalty: 0.3, frequencyPenalty: 0.2, seed: 4 }],
    ['beam search', { numBeams: 3, repetitionPenalty: 1.3 }],
  ])('%s: prompts of different lengths in a batch give the same tokens as each alone', async (_, options) => {
    const { decoder } = models.get('gpt2')!;
    const prompts = [[1, 2, 3], [40], [5, 6, 7, 8, 9, 10, 11, 12, 13, 14], [22, 23], [40]];
    // Different ends, so that rows leave the batch at different times.
    const settings = { ...options, maxNewTokens: 20, eosTokenIds: [3, 17, 29, 44] };
    const together = await collect(generateTokens(decoder, prompts, settings));
    for (const [p, prompt] of prompts.entries()) {
      const [alone] = await collect(generateTokens(decoder, [prompt], settings));
      expect(together[p]!.ids).toEqual(alone!.ids);
      expect(together[p]!.finishReason).toBe(alone!.finishReason);
      alone!.logprobs.forEach((logprob, i) => expect(together[p]!.logprobs[i]).toBeCloseTo(logprob, 4));
    }
  });

  test('generation stops where the context ends', async () => {
    const { decoder } = models.get('gpt2')!;
    const prompt = Array.from({ length: decoder.contextLength - 3 }, (_, i) => i % 50);
    const found = await collect(generateTokens(decoder, [prompt, [1]], { maxNewTokens: 1000 }));
    expect(found.map(({ ids }) => ids.length)).toEqual([3, decoder.contextLength - 1]);
    expect(() => generateTokens(decoder, [[...prompt, 1, 2, 3, 4]])).toThrow('shorten it by 1 or more');
  });
});
