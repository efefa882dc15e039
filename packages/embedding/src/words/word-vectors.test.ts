import { random } from '@brickwork/nn';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { hasShared, sharedPath } from '../../../../tests/fixtures.ts';
import { commonComponents, removeCommon } from './common-components.ts';
import { evaluateAnalogies, readAnalogies } from './evaluate-analogies.ts';
import { evaluateWordPairs, readWordPairs } from './evaluate-word-pairs.ts';
import { axisEnds, projectWords, semanticAxis } from './semantic-axis.ts';
import { WordVectors } from './word-vectors.ts';

// Two axes, gender and rank, and a third for what has neither.
const small = new WordVectors(
  ['man', 'woman', 'king', 'queen', 'fish', 'uncle'],
  Float32Array.of(1, 0, 0.2, -1, 0, 0.2, 1, 1, 0.2, -1, 1, 0.2, 0, 0, 3, 1, 0.1, 0.2),
);

test('neighbours are the words with the largest cosines, the word itself left out', () => {
  const spaces = fc.record({ V: fc.integer({ min: 2, max: 40 }), D: fc.integer({ min: 1, max: 6 }), seed: fc.nat() });
  fc.assert(
    fc.property(spaces, ({ V, D, seed }) => {
      const draw = random(seed);
      const words = Array.from({ length: V }, (_, i) => `w${i}`);
      const vectors = new WordVectors(
        words,
        Float32Array.from({ length: V * D }, () => draw.normal()),
      );
      const cosine = (a: number, b: number): number => {
        const [x, y] = [a, b].map((i) => [...vectors.vectors.subarray(i * D, (i + 1) * D)]) as [number[], number[]];
        const dot = (p: number[], q: number[]): number => p.reduce((sum, v, i) => sum + v * q[i]!, 0);
        return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
      };
      const expected = words
        .map((word, i) => ({ word, score: cosine(0, i) }))
        .slice(1)
        .toSorted((a, b) => b.score - a.score)
        .slice(0, 5);
      const found = vectors.neighbours('w0', { k: 5 });
      found.forEach(({ score }, i) => expect(score).toBeCloseTo(expected[i]!.score, 5));
      expect(found.map(({ word }) => word)).not.toContain('w0');
      expect(vectors.similarity('w0', 'w1')).toBeCloseTo(cosine(0, 1), 5);
    }),
  );
});

test('man is to woman as king is to queen, by sum and by product', () => {
  for (const method of ['3CosAdd', '3CosMul'] as const)
    expect(small.analogy('man', 'woman', 'king', { method, k: 1 })[0]!.word).toBe('queen');
  // The words of the question are no answers.
  expect(small.analogy('man', 'woman', 'king').map(({ word }) => word)).not.toContain('king');
});

test('the product’s score is Levy and Goldberg’s', () => {
  const cosine = (a: string, b: string): number => (1 + small.similarity(a, b)) / 2;
  const [best] = small.analogy('man', 'woman', 'king', { method: '3CosMul', k: 1 });
  const expected = (cosine('queen', 'woman') * cosine('queen', 'king')) / (cosine('queen', 'man') + 1e-6);
  expect(best!.score).toBeCloseTo(expected, 6);
});

test('the odd one out is farthest from the mean of all', () => {
  expect(small.oddOneOut(['man', 'uncle', 'fish', 'king']).at(-1)!.word).toBe('fish');
});

describe('an axis', () => {
  test('points from what stands first in its pairs to what stands second', () => {
    const pairs = [
      ['man', 'woman'],
      ['king', 'queen'],
    ] as const;
    for (const method of ['mean', 'pca'] as const) {
      const axis = semanticAxis(small, pairs, { method });
      const order = projectWords(small, axis, ['queen', 'uncle', 'fish', 'woman']);
      expect(order[0]!.word).toBe('uncle');
      expect(order.find(({ word }) => word === 'fish')!.score).toBeCloseTo(0, 5);
      expect(order.at(-1)!.word).toBe('woman');
      expect(Math.hypot(...axis.direction)).toBeCloseTo(1, 9);
      const { from, to } = axisEnds(small, axis, { k: 2 });
      expect([from.map(({ word }) => word).includes('man'), to[0]!.word]).toEqual([true, 'woman']);
      expect(from[0]!.score).toBeLessThan(0);
    }
  });
  test('of words that are the same has no direction', () => {
    expect(() => semanticAxis(small, [['man', 'man']])).toThrow('no direction in common');
    expect(() => semanticAxis(small, [])).toThrow('there are no pairs');
  });
});

test('common components are those of the covariance, and gone once they are removed', () => {
  const draw = random(1);
  const D = 5;
  // Most of the spread along (1, 1, 0, 0, 0), some along the third axis, about a middle of 10.
  const rows = Float32Array.from(
    { length: 400 * D },
    (_, i) => 10 + 0.1 * draw.normal() + (i % D === 2 ? draw.normal() : 0),
  );
  for (let n = 0; n < 400; n++) {
    const x = 3 * draw.normal();
    rows[n * D]! += x;
    rows[n * D + 1]! += x;
  }
  const found = commonComponents(rows, D, { count: 2 });
  expect(found.mean[4]).toBeCloseTo(10, 1);
  expect(Math.abs(found.components[0]![0]! + found.components[0]![1]!)).toBeCloseTo(Math.SQRT2, 2);
  expect(Math.abs(found.components[1]![2]!)).toBeCloseTo(1, 2);
  const left = removeCommon(Float32Array.from(rows), found);
  const spread = (i: number): number =>
    Math.sqrt(left.reduce((sum, v, at) => sum + (at % D === i ? v * v : 0), 0) / 400);
  for (let i = 0; i < D; i++) expect(spread(i)).toBeLessThan(0.15);
});

test('what isn’t there, or is no space, is told', () => {
  expect(() => small.vector('qeen')).toThrow('there is no vector of "qeen"; did you mean queen?');
  expect(() => small.vector('King')).toThrow('did you mean king?');
  expect(() => small.neighbours(new Float32Array(2))).toThrow('the vector has 2 values');
  expect(() => small.neighbours('man', { k: 0 })).toThrow('k is 0');
  expect(() => small.oddOneOut(['man', 'king'])).toThrow('needs three at least');
  expect(() => small.combine({ positive: [] })).toThrow('no words given');
  expect(() => new WordVectors([], new Float32Array())).toThrow('there are no words');
  expect(() => new WordVectors(['a', 'a'], new Float32Array(2))).toThrow('"a" is there twice');
  expect(() => new WordVectors(['a', 'b'], new Float32Array(3))).toThrow('3 values for 2 words');
  expect(() => new WordVectors(['a'], Float32Array.of(NaN))).toThrow('the vector of "a" has NaN');
});

// gensim 4.2.0's evaluate_word_analogies and evaluate_word_pairs on the same vectors and files.
describe.skipIf(!hasShared)('beside gensim, on 1000 words of GoogleNews (needs ../shared)', () => {
  const read = (): WordVectors => {
    const source = readFileSync(sharedPath('data/word2vec1000/wordvecs1000.js'), 'utf8');
    const all = JSON.parse(
      source.slice(source.indexOf('{'), source.lastIndexOf('}') + 1).replace(/,\s*\}$/, '}'),
    ) as Record<string, number[]>;
    return new WordVectors(Object.keys(all), Float32Array.from(Object.values(all).flat()));
  };
  test('as many analogies are answered', async () => {
    const report = await evaluateAnalogies(
      read(),
      await readAnalogies(sharedPath('data/word_analogy/questions-words.txt')),
    );
    const counts = report.sections
      .filter(({ asked }) => asked)
      .map(({ name, correct, asked }) => [name, correct, asked]);
    expect(counts).toEqual([
      ['family', 81, 90],
      ['gram3-comparative', 6, 6],
      ['gram5-present-participle', 73, 90],
      ['gram7-past-tense', 25, 30],
      ['gram8-plural', 24, 30],
      ['gram9-plural-verbs', 10, 12],
    ]);
    expect([report.total.correct, report.total.asked]).toEqual([219, 258]);
    expect(report.total.asked + report.total.unknown).toBe(19_544);
  });
  test('and word pairs agree with people as well', async () => {
    for (const [name, expected, pairs] of [
      ['EN-WS-353-ALL.txt', 0.33430011, 27],
      ['EN-SIMLEX-999.txt', 0.36973068, 118],
      ['EN-MEN-TR-3k.txt', 0.58446915, 262],
    ] as const) {
      const found = evaluateWordPairs(read(), await readWordPairs(sharedPath(`data/wordsim/${name}`)));
      expect(found.spearman).toBeCloseTo(expected, 5);
      expect(found.pairs).toBe(pairs);
    }
  });
});
