// A text may grow longer than the context: the model then goes on from what it can still see.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { collect } from './collect.ts';
import { FakeDecoder, hashLogits } from './fake-decoder.ts';
import { generateTokens, type GenerateTokensOptions } from './generate-tokens.ts';
import type { GeneratedSequence } from './tokens.ts';

const V = 16;
const contextLength = 8;
const generate = (prompts: readonly number[][], options: GenerateTokensOptions): Promise<GeneratedSequence[]> =>
  collect(generateTokens(new FakeDecoder({ vocabularySize: V, contextLength }), prompts, options));

test('when the context is full the last half of it is what the model sees', async () => {
  const [result] = await generate([[1, 2, 3]], { maxNewTokens: 30, contextShift: true });
  expect(result!.ids).toHaveLength(30);
  expect(result!.finishReason).toBe('length');
  const ids = [1, 2, 3];
  let seen = [...ids];
  for (const id of result!.ids) {
    if (seen.length > contextLength) seen = ids.slice(-contextLength / 2);
    const logits = hashLogits(seen, V);
    expect(id).toBe(logits.indexOf(Math.max(...logits)));
    ids.push(id);
    seen.push(id);
  }
});

test('the text is the same as without shifting for as long as the context lasts', async () => {
  const [short] = await generate([[1, 2, 3]], { maxNewTokens: 30 });
  const [long] = await generate([[1, 2, 3]], { maxNewTokens: 30, contextShift: true });
  expect(short!.ids).toHaveLength(5);
  expect(long!.ids.slice(0, 5)).toEqual(short!.ids);
});

test('a prompt that fills the context is continued', async () => {
  const [result] = await generate([[1, 2, 3, 4, 5, 6, 7, 8]], { maxNewTokens: 3, contextShift: true });
  expect(result!.ids).toHaveLength(3);
});

test('rows shift at their own time: a batch gives what its prompts give alone', async () => {
  const prompts = fc.array(fc.array(fc.nat(V - 1), { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 });
  const options = fc.record({
    seed: fc.nat(),
    temperature: fc.constantFrom(0, 1),
    repetitionPenalty: fc.constantFrom(1, 1.3),
    maxNewTokens: fc.nat(25),
    eosTokenIds: fc.constantFrom([], [5]),
    contextShift: fc.constant(true),
  });
  await fc.assert(
    fc.asyncProperty(prompts, options, async (all, given) => {
      const together = await generate(all, given);
      for (const [p, one] of all.entries()) {
        const [alone] = await generate([one], given);
        expect(together[p]).toEqual({ ...alone, row: p, prompt: p });
      }
    }),
  );
});
