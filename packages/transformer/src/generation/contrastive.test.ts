// Contrastive search against its formula, computed anew for every token; and hidden states as the model gives them.
import { expect, test } from 'vitest';
import { initialize } from '@brickwork/nn';
import { hostTensor } from '@brickwork/runtime';
import { buildNetwork } from '../architecture.ts';
import { architectures } from '../architectures/index.ts';
import { Model } from '../model.ts';
import { collect } from './collect.ts';
import { FakeDecoder, hashLogits } from './fake-decoder.ts';
import { generateTokens, type GenerateTokensOptions } from './generate-tokens.ts';

const cosine = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
    Array.from(x).reduce((n, v, i) => n + v * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

test('takes the candidate with the best of probability and novelty', async () => {
  const V = 16;
  for (const [alpha, k] of [
    [0.6, 4],
    [0.2, 6],
    [1, 3],
  ] as const) {
    const ids = [1, 2, 3];
    for (let step = 0; step < 12; step++) {
      const logits = Array.from(hashLogits(ids, V));
      const total = logits.reduce((n, v) => n + Math.exp(v), 0);
      const top = logits
        .map((v, id) => ({ v, id }))
        .toSorted((a, b) => b.v - a.v)
        .slice(0, k);
      const states = ids.map((_, t) => hashLogits(ids.slice(0, t + 1), 3));
      const score = ({ v, id }: { v: number; id: number }): number =>
        ((1 - alpha) * Math.exp(v)) / total -
        alpha * Math.max(...states.map((state) => cosine(state, hashLogits([...ids, id], 3))));
      ids.push(top.toSorted((a, b) => score(b) - score(a))[0]!.id);
    }
    const options = { penaltyAlpha: alpha, topK: k, maxNewTokens: 12 };
    const [one, other] = await collect(generateTokens(new FakeDecoder(), [[1, 2, 3], [4]], options));
    expect(one!.ids).toEqual(ids.slice(3));
    expect(other!.ids).toHaveLength(12);
  }
});

test('a model keeps the hidden states that its network gives', async () => {
  const config = { model_type: 'gpt2', vocab_size: 17, n_positions: 16, n_embd: 8, n_layer: 2, n_head: 2 };
  const built = buildNetwork(config, architectures);
  const weights = [...initialize(built.network, 3)].map(
    ([n, t]) =>
      [
        n,
        hostTensor(
          t.data.map((v) => v * 5),
          t.shape,
        ),
      ] as const,
  );
  const model = new Model({ ...built, config, weights: new Map(weights) });
  const decoder = model.decoder({ hiddenStates: true });
  const [one] = await collect(
    generateTokens(decoder, [[3, 1, 4]], { penaltyAlpha: 0.5, topK: 4, maxNewTokens: 8, eosTokenIds: [] }),
  );
  const ids = [3, 1, 4, ...one!.ids];
  const input_ids = hostTensor(BigInt64Array.from(ids, BigInt), [1, ids.length]);
  const { last_hidden_state } = await model.run({ input_ids }, ['last_hidden_state']);
  const kept = decoder.hiddenStates(0);
  expect(kept).toHaveLength(ids.length);
  kept.forEach((state, t) =>
    state.forEach((v, c) => expect(v).toBeCloseTo((last_hidden_state!.data as Float32Array)[t * 8 + c]!, 4)),
  );
  const plain = model.decoder();
  await expect(async () => collect(generateTokens(plain, [[1]], { penaltyAlpha: 0.5, topK: 4 }))).rejects.toThrow(
    'hiddenStates: true',
  );
  await decoder.dispose();
  await plain.dispose();
  await model.dispose();
});

test.each<[GenerateTokensOptions, string]>([
  [{ penaltyAlpha: 0.6 }, 'topK 0; contrastive search weighs'],
  [{ penaltyAlpha: 1.5, topK: 4 }, 'penaltyAlpha is 1.5'],
  [{ penaltyAlpha: 0.6, topK: 4, temperature: 0.5 }, 'contrastive search draws nothing'],
  [{ penaltyAlpha: 0.6, topK: 4, numBeams: 2 }, "penaltyAlpha and numBeams don't go together"],
])('%o is refused', (options, message) => {
  expect(() => generateTokens(new FakeDecoder(), [[1]], options)).toThrow(message);
});
