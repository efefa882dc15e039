import fc from 'fast-check';
import { expect, test } from 'vitest';
import { beamSearch, type BeamSearchOptions } from './beam-search.ts';
import { collect } from './collect.ts';
import { FakeDecoder, hashLogits } from './fake-decoder.ts';
import { generateTokens } from './generate-tokens.ts';

interface Found {
  ids: number[];
  score: number;
}

function logSoftmax(logits: ArrayLike<number>): number[] {
  const list = Array.from(logits);
  const max = Math.max(...list);
  const normaliser = max + Math.log(list.reduce((sum, logit) => sum + Math.exp(logit - max), 0));
  return list.map((logit) => Math.fround(logit - normaliser));
}

interface Rules {
  V: number;
  numBeams: number;
  maxNewTokens: number;
  eosTokenIds: number[];
  lengthPenalty: number;
  earlyStopping: boolean | 'never';
  numReturnSequences: number;
  repetitionPenalty: number;
}

// The published algorithm, one prompt at a time, everything sorted, nothing shared with the implementation.
function slowSearch(prompt: number[], o: Rules): Found[] {
  let beams = Array.from({ length: o.numBeams }, (_, b) => ({ ids: prompt, sum: b === 0 ? 0 : -1e9 }));
  let hypotheses: Found[] = [];
  let worst = 1e9;
  let done = false;
  const add = (ids: number[], sum: number, generated: number): void => {
    const score = sum / generated ** o.lengthPenalty;
    if (hypotheses.length < o.numBeams || score > worst) {
      hypotheses.push({ ids: ids.slice(prompt.length), score });
      if (hypotheses.length > o.numBeams) {
        const order = hypotheses.map((h, i) => [h.score, i] as const).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        worst = order[1]![0];
        hypotheses = hypotheses.filter((_, i) => i !== order[0]![1]);
      } else worst = Math.min(score, worst);
    }
  };
  let generated = 0;
  while (!done && generated < o.maxNewTokens) {
    generated++;
    const all = beams.flatMap(({ ids, sum }, beam) => {
      const scores = logSoftmax(hashLogits(ids, o.V));
      for (const id of new Set(ids))
        scores[id] = Math.fround(
          scores[id]! < 0 ? scores[id]! * o.repetitionPenalty : scores[id]! / o.repetitionPenalty,
        );
      return scores.map((score, id) => ({ beam, id, sum: Math.fround(score + sum) }));
    });
    all.sort((a, b) => b.sum - a.sum || a.beam - b.beam || a.id - b.id);
    const next: typeof beams = [];
    for (const [rank, { beam, id, sum }] of all.entries()) {
      const { ids } = beams[beam]!;
      if (o.eosTokenIds.includes(id)) {
        if (rank < o.numBeams) add([...ids, o.eosTokenIds[0]!], sum, generated);
      } else next.push({ ids: [...ids, id], sum });
      if (next.length === o.numBeams) break;
    }
    beams = next;
    if (hypotheses.length >= o.numBeams) {
      const reach = o.earlyStopping === 'never' && o.lengthPenalty > 0 ? o.maxNewTokens : generated;
      done = o.earlyStopping === true || worst >= all[0]!.sum / reach ** o.lengthPenalty;
    }
  }
  if (!done) for (const { ids, sum } of beams) add(ids, sum, generated);
  return hypotheses
    .map((h, i) => ({ h, i }))
    .sort((a, b) => a.h.score - b.h.score || a.i - b.i)
    .map(({ h }) => h)
    .reverse()
    .slice(0, o.numReturnSequences);
}

const rules = fc
  .record({
    V: fc.integer({ min: 6, max: 14 }),
    numBeams: fc.integer({ min: 2, max: 5 }),
    maxNewTokens: fc.integer({ min: 1, max: 9 }),
    eosTokenIds: fc.uniqueArray(fc.nat(4), { maxLength: 3 }),
    lengthPenalty: fc.constantFrom(-1, 0, 0.5, 1, 2),
    earlyStopping: fc.constantFrom(false, true, 'never' as const),
    numReturnSequences: fc.integer({ min: 1, max: 5 }),
    repetitionPenalty: fc.constantFrom(1, 1.5),
  })
  .map((o) => ({ ...o, numReturnSequences: Math.min(o.numReturnSequences, o.numBeams) }));

test('beam search over a batch equals the published algorithm on each prompt alone', async () => {
  const prompts = fc.array(fc.array(fc.nat(5), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 });
  let ended = 0;
  await fc.assert(
    fc.asyncProperty(prompts, rules, async (given, { V, ...options }) => {
      const found = await beamSearch(new FakeDecoder({ vocabularySize: V }), given, options);
      const expected = given.flatMap((prompt) => slowSearch(prompt, { V, ...options }));
      expect(found.map(({ ids, score }) => ({ ids, score }))).toEqual(expected);
      ended += found.filter(({ finishReason }) => finishReason === 'eos').length;
    }),
    { numRuns: 300 },
  );
  expect(ended).toBeGreaterThan(100);
});

// Every sequence that generation could give, with its score.
function everything(prompt: number[], V: number, length: number, eos: number | null, lengthPenalty: number): Found[] {
  const results: Found[] = [];
  const walk = (ids: number[], sum: number): void => {
    const n = ids.length;
    if (n && (n === length || ids.at(-1) === eos)) return void results.push({ ids, score: sum / n ** lengthPenalty });
    logSoftmax(hashLogits([...prompt, ...ids], V)).forEach((logprob, id) => walk([...ids, id], sum + logprob));
  };
  walk([], 0);
  return results.sort((a, b) => b.score - a.score);
}

test('with enough beams the search is exhaustive', async () => {
  const decoder = new FakeDecoder({ vocabularySize: 4 });
  for (const lengthPenalty of [0, 1, 2]) {
    const found = await beamSearch(decoder, [[2, 1]], {
      numBeams: 64,
      maxNewTokens: 3,
      numReturnSequences: 64,
      lengthPenalty,
    });
    const expected = everything([2, 1], 4, 3, null, lengthPenalty);
    expect(found.map(({ ids }) => String(ids)).sort()).toEqual(expected.map(({ ids }) => String(ids)).sort());
    found.forEach(({ score }, i) => expect(score).toBeCloseTo(expected[i]!.score, 4));
  }
});

test("with enough beams and earlyStopping 'never' the best sequence of all is found, ended or not", async () => {
  const decoder = new FakeDecoder({ vocabularySize: 5 });
  for (const prompt of [[0], [1, 2], [3], [4, 4, 1]])
    for (const lengthPenalty of [0, 0.7, 1, 3, -0.5]) {
      const [found] = await beamSearch(decoder, [prompt], {
        numBeams: 100,
        maxNewTokens: 4,
        eosTokenIds: 3,
        lengthPenalty,
        earlyStopping: 'never',
      });
      const [best] = everything(prompt, 5, 4, 3, lengthPenalty);
      expect(found!.ids).toEqual(best!.ids);
      expect(found!.score).toBeCloseTo(best!.score, 4);
      expect(found!.finishReason).toBe(best!.ids.at(-1) === 3 ? 'eos' : 'length');
    }
});

test('the score is the sum of log-probabilities over the length with its end token, and logprobs add up to it', async () => {
  const found = await beamSearch(new FakeDecoder({ vocabularySize: 6 }), [[5, 4]], {
    numBeams: 3,
    maxNewTokens: 8,
    eosTokenIds: [0],
    lengthPenalty: 0.8,
    numReturnSequences: 3,
  });
  expect(found.some(({ finishReason }) => finishReason === 'eos')).toBe(true);
  for (const { ids, logprobs, score } of found) {
    expect(logprobs).toHaveLength(ids.length);
    const sum = logprobs.reduce((a, b) => a + b, 0);
    expect(score).toBeCloseTo(sum / ids.length ** 0.8, 4);
    const history = [5, 4];
    for (const [i, id] of ids.entries()) {
      expect(logprobs[i]).toBeCloseTo(logSoftmax(hashLogits(history, 6))[id]!, 5);
      history.push(id);
    }
  }
});

test('an end token outside the vocabulary never comes and changes nothing', async () => {
  const run = (eosTokenIds: number[]) =>
    beamSearch(new FakeDecoder({ vocabularySize: 8 }), [[1]], { numBeams: 4, maxNewTokens: 6, eosTokenIds });
  expect(await run([50256])).toEqual(await run([]));
});

test('finished prompts leave the batch, and the first pass is shared by the beams', async () => {
  // A prompt that begins with 1 can only end; others never do.
  const logits = (history: readonly number[]): number[] =>
    history[0] === 1 ? [9, 0.1, 0.2, 0.3, 0.4] : [-99, 1, 0.9, 0.8, 0.7];
  const decoder = new FakeDecoder({ vocabularySize: 5, logits });
  const found = await beamSearch(decoder, [[1], [2]], {
    numBeams: 2,
    maxNewTokens: 5,
    eosTokenIds: 0,
    earlyStopping: true,
  });
  expect(decoder.passes).toEqual([2, 4, 2, 2, 2]);
  expect(found.map(({ finishReason }) => finishReason)).toEqual(['eos', 'length']);
});

test('beams end where the context does, each prompt by its own length', async () => {
  const decoder = new FakeDecoder({ vocabularySize: 6, contextLength: 6 });
  const found = await beamSearch(decoder, [[1, 2, 3, 4], [5], [1, 2, 3, 4, 5, 0]], { numBeams: 3, maxNewTokens: 50 });
  expect(found.map(({ ids, finishReason }) => [ids.length, finishReason])).toEqual([
    [2, 'length'],
    [5, 'length'],
    [0, 'length'],
  ]);
});

test('an abort gives the best so far', async () => {
  const controller = new AbortController();
  let passes = 0;
  const decoder = new FakeDecoder({
    vocabularySize: 8,
    onPass: () => {
      if (++passes === 4) controller.abort();
    },
  });
  const options: BeamSearchOptions = { numBeams: 3, maxNewTokens: 10 };
  const [found] = await beamSearch(decoder, [[1]], { ...options, signal: controller.signal });
  const [short] = await beamSearch(new FakeDecoder({ vocabularySize: 8 }), [[1]], { ...options, maxNewTokens: 3 });
  expect(found).toEqual({ ...short, finishReason: 'aborted' });
  const [none] = await beamSearch(decoder, [[1]], { ...options, signal: AbortSignal.abort() });
  expect(none).toMatchObject({ ids: [], finishReason: 'aborted' });
});

test('generateTokens with beams gives the tokens of the search, cut where stopWhen says', async () => {
  const options = { numBeams: 3, numReturnSequences: 2, maxNewTokens: 6 } as const;
  const found = await beamSearch(new FakeDecoder(), [[1], [2, 3]], options);
  const tokens: number[][] = [[], [], [], []];
  const results = await collect(generateTokens(new FakeDecoder(), [[1], [2, 3]], options), ({ row, id }) =>
    tokens[row]!.push(id),
  );
  expect(results).toEqual(found);
  expect(tokens).toEqual(found.map(({ ids }) => ids));
  expect(results.map(({ row, prompt }) => [row, prompt])).toEqual([
    [0, 0],
    [1, 0],
    [2, 1],
    [3, 1],
  ]);

  let count = 0;
  const cut = await collect(
    generateTokens(new FakeDecoder(), [[1]], { ...options, stopWhen: ({ row }) => row === 1 && ++count === 2 }),
  );
  expect(cut.map(({ ids, finishReason }) => [ids.length, finishReason])).toEqual([
    [6, 'length'],
    [2, 'stop'],
  ]);
});

test('a search that makes no sense is refused', async () => {
  const decoder = new FakeDecoder({ vocabularySize: 2 });
  await expect(beamSearch(decoder, [[1]], {})).rejects.toThrow('numBeams is 1; needs 2 or more');
  await expect(beamSearch(decoder, [[1]], { numBeams: 2, eosTokenIds: [0, 1] })).rejects.toThrow(
    'all 2 tokens of the vocabulary end a sequence',
  );
  await expect(beamSearch(decoder, [[]], { numBeams: 2 })).rejects.toThrow('beamSearch: prompt 0 is empty');
});
