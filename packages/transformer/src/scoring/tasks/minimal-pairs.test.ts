// Minimal pairs: arithmetic with known numbers, BLiMP's fields, and a real model.
import { describe, expect, test } from 'vitest';
import { fileURLToPath } from 'node:url';
import { Scorer } from '../scorer.ts';
import { minimalPair, minimalPairs, type MinimalPair } from './minimal-pairs.ts';
import { proportion } from './proportion.ts';
import { stub } from './stub.fixture.ts';

const pair = (good: string, bad: string, paradigm: string, field: string, term = 'agreement'): MinimalPair =>
  minimalPair({ sentence_good: good, sentence_bad: bad, UID: paradigm, field, linguistics_term: term });

describe('accuracy', () => {
  const pairs = [
    pair('a good', 'a bad', 'one', 'syntax'),
    pair('b good', 'b bad', 'one', 'syntax'),
    pair('c good', 'c bad', 'one', 'syntax'),
    pair('d good', 'd bad', 'two', 'syntax', 'islands'),
    pair('e good', 'e bad', 'three', 'morphology'),
  ];
  const numbers = {
    ...{ 'a good': -3, 'a bad': -4, 'b good': -5, 'b bad': -5, 'c good': -1, 'c bad': -2 },
    ...{ 'd good': -9, 'd bad': -8, 'e good': -1, 'e bad': -6 },
  };

  test('is by paradigm, and of all the mean over paradigms; equals are wrong', async () => {
    const report = await minimalPairs(stub(numbers), pairs);
    expect(report.results.map(({ right }) => right)).toEqual([true, false, true, false, true]);
    expect([...report.paradigms].map(([name, s]) => [name, s.value, s.count, s.ties])).toEqual([
      ['one', 2 / 3, 3, 1],
      ['two', 0, 1, 0],
      ['three', 1, 1, 0],
    ]);
    expect(report.overall).toBeCloseTo((2 / 3 + 0 + 1) / 3, 12);
    expect(report.pairs.value).toBeCloseTo(3 / 5, 12);
    expect(Object.fromEntries(report.fields)).toEqual({ syntax: 1 / 3, morphology: 1 });
    expect(report.terms.get('agreement')).toBeCloseTo((2 / 3 + 1) / 2, 12);
  });

  test('may be of log-probabilities by character', async () => {
    const one = [pair('long sentence', 'short', 'x', 'y')];
    const scorer = stub({ 'long sentence': -10, short: -5 });
    expect((await minimalPairs(scorer, one)).overall).toBe(0);
    expect((await minimalPairs(scorer, one, { normalization: 'character' })).overall).toBe(1);
  });

  test('what nothing predicts is wrong', async () => {
    const { results } = await minimalPairs(stub({ x: null, y: null }), [pair('x', 'y', 'p', 'f')]);
    expect(results[0]!.right).toBe(false);
  });

  test('many pairs come in batches, with progress, and end on a signal', async () => {
    const many = Array.from({ length: 300 }, (_, i) => pair(`g${i}`, `b${i}`, 'p', 'f'));
    const scores = Object.fromEntries(
      many.flatMap((_, i) => [
        [`g${i}`, -1],
        [`b${i}`, -2],
      ]),
    );
    const scorer = stub(scores);
    const told: number[] = [];
    const stop = new AbortController();
    const report = await minimalPairs(scorer, many, { onProgress: ({ done }) => told.push(done) });
    expect([report.overall, report.pairs.count, scorer.calls.length]).toEqual([1, 300, 3]);
    expect(told.at(-1)).toBe(300);
    const stopped = minimalPairs(scorer, many, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(stopped).rejects.toThrow(/abort/i);
  });
});

test('the prefix methods score words after what stands before them', async () => {
  const row = {
    ...{ sentence_good: 'The cats annoy Tim.', sentence_bad: 'The cats annoys Tim.', UID: 'x' },
    ...{ one_prefix_prefix: 'The cats', one_prefix_word_good: 'annoy', one_prefix_word_bad: 'annoys' },
    ...{ two_prefix_prefix_good: 'The cats', two_prefix_prefix_bad: 'The cat', two_prefix_word: 'annoy' },
  };
  const scorer = stub({ 'The cats| annoy': -1, 'The cats| annoys': -2, 'The cat| annoy': -0.5 });
  expect((await minimalPairs(scorer, [minimalPair(row)], { method: 'one_prefix' })).overall).toBe(1);
  expect((await minimalPairs(scorer, [minimalPair(row)], { method: 'two_prefix' })).overall).toBe(0);
  const plain = [pair('a', 'b', 'p', 'f')];
  await expect(minimalPairs(scorer, plain, { method: 'one_prefix' })).rejects.toThrow('use the method sentence');
});

test('what is missing is said', async () => {
  expect(() => minimalPair({ sentence_good: 'x' })).toThrow('sentence_bad is missing; needs a sentence');
  expect(() => minimalPair({ sentence_good: 3, sentence_bad: 'x' })).toThrow('sentence_good is 3');
  expect(minimalPair({ sentence_good: 'x', sentence_bad: 'y' }, 'file').paradigm).toBe('file');
  await expect(minimalPairs(stub({}), [])).rejects.toThrow('there are no pairs');
  await expect(minimalPairs(stub({}), [pair('a', 'b', 'c', 'd')], { method: 'all' as 'sentence' })).rejects.toThrow(
    'needs one of sentence',
  );
});

test('a standard error is that of the mean with n - 1', () => {
  // Of 1, 0, 1, 1: variance 0.25, so sqrt(0.25 / 4).
  expect(proportion([true, false, true, true])).toEqual({ value: 0.75, standardError: 0.25, count: 4 });
  expect(proportion([true]).standardError).toBe(0);
});

test('the model that ships finds English likelier than its reverse', async () => {
  const scorer = await Scorer.load(fileURLToPath(new URL('../../../../../models/shakespeare', import.meta.url)), {
    compile: { threads: 1 },
  });
  const reversed = (text: string): string => [...text].toReversed().join('');
  const pairs = ['What is the matter?', 'I know not.', 'To be, or not to be'].map((text) =>
    minimalPair({ sentence_good: text, sentence_bad: reversed(text) }),
  );
  expect((await minimalPairs(scorer, pairs)).overall).toBe(1);
  await scorer.dispose();
});
