// Processors that forbid, force and cut, as Hugging Face's of the same names do.
import { describe, expect, test } from 'vitest';
import { epsilonCutoff, etaCutoff } from './cutoff.ts';
import { forcedBos, forcedEos } from './forced-token.ts';
import type { LogitsContext, LogitsProcessor } from './logits-processor.ts';
import { minLength } from './min-length.ts';
import { encoderNoRepeatNgram, noRepeatNgram } from './no-repeat-ngram.ts';
import { badWords, logitBias, sequenceBias } from './sequence-bias.ts';
import { suppressTokens } from './suppress-tokens.ts';
import { typicalP } from './typical-p.ts';

/** The ids that are left of five equal ones, or of those given. */
function left(
  process: LogitsProcessor,
  ids: readonly number[],
  o: Partial<LogitsContext> = {},
  logits = [0, 0, 0, 0, 0],
): number[] {
  const scores = Float32Array.from(logits);
  process(scores, { ids, promptLength: 1, ...o });
  return [...scores].flatMap((score, id) => (score > -Infinity ? [id] : []));
}
const ln = (...p: number[]): number[] => p.map(Math.log);

describe('n-grams', () => {
  test('none twice: what followed the last tokens before is forbidden', () => {
    expect(left(noRepeatNgram({ size: 2 }), [1, 2, 3, 1])).toEqual([0, 1, 3, 4]);
    expect(left(noRepeatNgram({ size: 3 }), [1, 2, 3, 1, 2])).toEqual([0, 1, 2, 4]);
    expect(left(noRepeatNgram({ size: 1 }), [1, 2])).toEqual([0, 3, 4]);
    expect(left(noRepeatNgram({ size: 4 }), [1, 2])).toEqual([0, 1, 2, 3, 4]);
  });
  test('none of the source', () => {
    expect(left(encoderNoRepeatNgram({ size: 2 }), [0, 3], { encoderIds: [3, 4, 2] })).toEqual([0, 1, 2, 3]);
    expect(() => left(encoderNoRepeatNgram({ size: 2 }), [0])).toThrow('Did you mean noRepeatNgram?');
  });
});

describe('words', () => {
  test('are never completed', () => {
    const process = badWords({ words: [[1, 2], [3]] });
    expect(left(process, [0, 1])).toEqual([0, 1, 4]);
    expect(left(process, [0, 4])).toEqual([0, 1, 2, 4]);
    expect(left(badWords({ words: [[3], [4]], eosTokenIds: [3] }), [0])).toEqual([0, 1, 2, 3]);
    expect(() => badWords({ words: [[]] })).toThrow('lists of one token id or more');
  });
  test('can be favoured', () => {
    const scores = new Float32Array(5);
    sequenceBias({
      biases: [
        [[1, 2], 3],
        [[2], 0.5],
      ],
    })(scores, { ids: [0, 1], promptLength: 1 });
    logitBias({ bias: { 4: -2 } })(scores, { ids: [0, 1], promptLength: 1 });
    expect([...scores]).toEqual([0, 0, 3.5, 0, -2]);
  });
  test('can be suppressed, everywhere or at the beginning', () => {
    expect(left(suppressTokens({ ids: [0, 4, 9] }), [1, 2, 3])).toEqual([1, 2, 3]);
    expect(left(suppressTokens({ ids: [0], at: 0 }), [1])).toEqual([1, 2, 3, 4]);
    expect(left(suppressTokens({ ids: [0], at: 0 }), [1, 2])).toEqual([0, 1, 2, 3, 4]);
  });
});

test('ends: not before a least length, forced at the last place', () => {
  const least = minLength({ eosTokenIds: [2], length: 4, newTokens: 1 });
  expect(left(least, [1, 1, 1])).toEqual([0, 1, 3, 4]);
  expect(left(least, [1, 1, 1, 1])).toEqual([0, 1, 2, 3, 4]);
  expect(left(least, [1, 1, 1, 1], { promptLength: 4 })).toEqual([0, 1, 3, 4]);
  expect(left(forcedEos({ ids: [2, 3] }), [1, 1], { maxLength: 3 })).toEqual([2, 3]);
  expect(left(forcedEos({ ids: [2] }), [1], { maxLength: 3 })).toEqual([0, 1, 2, 3, 4]);
  expect(left(forcedBos({ id: 4 }), [1])).toEqual([4]);
  expect(left(forcedBos({ id: 4 }), [1, 4])).toEqual([0, 1, 2, 3, 4]);
});

describe('cutting', () => {
  const p = [0.5, 0.3, 0.1, 0.06, 0.04];
  test('by a probability', () => {
    expect(left(epsilonCutoff({ epsilon: 0.08 }), [1], {}, ln(...p))).toEqual([0, 1, 2]);
    expect(left(epsilonCutoff({ epsilon: 0.9 }), [1], {}, ln(...p))).toEqual([0]);
    // √0.05 · e^-entropy is more than epsilon, which is what counts then.
    const entropy = -p.reduce((n, v) => n + v * Math.log(v), 0);
    const least = Math.min(0.05, Math.sqrt(0.05) * Math.exp(-entropy));
    expect(left(etaCutoff({ epsilon: 0.05 }), [1], {}, ln(...p))).toEqual(
      p.flatMap((v, id) => (v >= least ? [id] : [])),
    );
    expect(left(etaCutoff({ epsilon: 0.5 }), [1], {}, ln(...p))).toEqual(
      p.flatMap((v, id) => (v >= Math.min(0.5, Math.sqrt(0.5) * Math.exp(-entropy)) ? [id] : [])),
    );
  });
  test('to the typical: surprise near the entropy', () => {
    const entropy = -p.reduce((n, v) => n + v * Math.log(v), 0);
    const order = p
      .map((v, id) => ({ id, v, far: Math.abs(-Math.log(v) - entropy) }))
      .toSorted((a, b) => a.far - b.far);
    let reached = 0;
    const expected = order.filter(({ v }) => {
      const before = reached;
      reached += v;
      return before < 0.7;
    });
    expect(left(typicalP({ p: 0.7 }), [1], {}, ln(...p))).toEqual(expected.map(({ id }) => id).toSorted());
    expect(left(typicalP({ p: 1 }), [1], {}, ln(...p))).toEqual([0, 1, 2, 3, 4]);
    expect(() => typicalP({ p: 0 })).toThrow('typicalP: p');
  });
});
