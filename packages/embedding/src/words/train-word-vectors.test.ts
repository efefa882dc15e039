import { random } from '@brickwork/nn';
import { WebAssembly } from '@brickwork/training';
import { expect, test } from 'vitest';
import { coOccurrences } from './co-occurrences.ts';
import { trainWordVectors, type TrainWordsOptions, type WordTrainingState } from './train-word-vectors.ts';
import { wordCorpus, type WordCorpus } from './word-corpus.ts';
import { sigmoidCells, sigmoidTable, wordModule, type WordKernels } from './word-kernels.ts';
import type { WordVectors } from './word-vectors.ts';

// Two topics: words of one stand together. 'x0' and 'y0' have the same neighbours as their twins 'x1' and 'y1'.
function planted(texts = 400): string[] {
  const draw = random(3);
  return Array.from({ length: texts }, (_, i) => {
    const topic = i % 2 ? 'x' : 'y';
    return Array.from({ length: 20 }, () => `${topic}${draw.integer(8)}`).join(' ');
  });
}
const corpusOf = (texts: Iterable<string>): Promise<WordCorpus> => wordCorpus(texts, { minCount: 1 });

async function train(corpus: WordCorpus, o: TrainWordsOptions): Promise<WordVectors> {
  for await (const event of trainWordVectors(corpus, { dimension: 12, ...o }))
    if (event.type === 'done') return event.vectors;
  throw new Error('no vectors');
}

test.each([
  ['skipgram', 1],
  ['skipgram', 2],
  ['cbow', 1],
  ['glove', 1],
  ['glove', 2],
] as const)('%s in %i threads puts words that stand together near each other', async (method, threads) => {
  const vectors = await train(await corpusOf(planted()), { method, threads, epochs: 15, window: 3, subsample: 0 });
  for (const word of vectors.words) {
    const near = vectors.neighbours(word, { k: 7 }).map((one) => one.word);
    expect(near.every((other) => other[0] === word[0])).toBe(true);
  }
});

test('the same seed gives the same bits with one thread, another one others', async () => {
  const corpus = await corpusOf(planted(60));
  for (const method of ['skipgram', 'cbow', 'glove'] as const) {
    const one = await train(corpus, { method, epochs: 2, seed: 4 });
    expect(await train(corpus, { method, epochs: 2, seed: 4 })).toEqual(one);
    expect((await train(corpus, { method, epochs: 2, seed: 5 })).vectors).not.toEqual(one.vectors);
  }
});

test('training that goes on after an epoch comes to the same bits', async () => {
  const corpus = await corpusOf(planted(60));
  for (const method of ['skipgram', 'glove'] as const) {
    const o = { method, dimension: 12, epochs: 4, seed: 4 } as const;
    let state: WordTrainingState | null = null;
    for await (const event of trainWordVectors(corpus, o))
      if (event.type === 'epoch' && event.epoch === 2) {
        state = event.state();
        break;
      }
    expect(await train(corpus, { ...o, state: state! })).toEqual(await train(corpus, o));
  }
});

test('the loss falls, and progress is told', async () => {
  const losses: number[] = [];
  for await (const event of trainWordVectors(await corpusOf(planted(2000)), { epochs: 4, dimension: 12, subsample: 0 }))
    if (event.type === 'epoch') losses.push(event.loss);
  expect(losses).toHaveLength(4);
  // Vectors of nothing would give each of six samples ln 2.
  for (const loss of losses) expect(loss).toBeLessThan(0.6 * 6 * Math.LN2);
});

test('the kernels are the plain formulas', () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const kernels = new WebAssembly.Instance(wordModule(), { env: { memory } }).exports as unknown as WordKernels;
  const all = new Float32Array(memory.buffer as unknown as SharedArrayBuffer);
  const draw = random(9);
  const n = 24;
  const rows = Array.from({ length: 4 }, (_, i) => {
    const values = Float32Array.from({ length: n }, () => (i > 1 ? 1 + draw.uniform() : 0.3 * draw.normal()));
    all.set(values, i * n);
    return values;
  });
  const at = (i: number): number => 4 * i * n;
  const [a, b, c, d] = rows as [Float32Array, Float32Array, Float32Array, Float32Array];
  const near = (found: Float32Array, expected: ArrayLike<number>): void =>
    found.forEach((v, i) => expect(Math.abs(v - expected[i]!)).toBeLessThan(1e-5));
  const row = (i: number): Float32Array => all.slice(i * n, (i + 1) * n);
  expect(kernels.dot(at(0), at(1), at(1))).toBeCloseTo(
    a.reduce((sum, v, i) => sum + v * b[i]!, 0),
    4,
  );
  // Two words against one row: the first stands there, the second was drawn.
  const [slope, list, table] = [4 * 200, 4 * 240, 4 * 256];
  all.set(sigmoidTable(), table / 4);
  new Int32Array(memory.buffer, list, 2).set([at(1), at(2)]);
  all.fill(7, slope / 4, slope / 4 + n);
  const { reach, cells } = sigmoidCells;
  kernels.place(at(0), at(1), slope, list, list + 8, table, 0.1, 1, reach, cells);
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
  const dotOf = (x: Float32Array, y: Float32Array): number => x.reduce((sum, v, i) => sum + v * y[i]!, 0);
  const [g, h] = [0.1 * (1 - sigmoid(dotOf(a, b))), 0.1 * (0 - sigmoid(dotOf(a, c)))];
  // σ's cells are a 256th wide, so its values are off by 1 / 2048 at most.
  const roughly = (found: Float32Array, expected: ArrayLike<number>): void =>
    found.forEach((v, i) => expect(Math.abs(v - expected[i]!)).toBeLessThan(0.1 * 3 * 2e-3));
  roughly(
    all.slice(slope / 4, slope / 4 + n),
    b.map((v, i) => g * v + h * c[i]!),
  );
  roughly(
    row(1),
    b.map((v, i) => v + g * a[i]!),
  );
  roughly(
    row(2),
    c.map((v, i) => v + h * a[i]!),
  );
  expect(Math.min(Math.abs(g), Math.abs(h))).toBeGreaterThan(1e-4);
  rows.forEach((values, i) => all.set(values, i * n));
  kernels.addScaled(at(0), at(1), at(1), -2);
  near(
    row(0),
    a.map((v, i) => v - 2 * b[i]!),
  );
  rows.forEach((values, i) => all.set(values, i * n));
  kernels.pair(at(0), at(1), at(2), at(3), at(1), 0.3);
  near(
    row(0),
    a.map((v, i) => v - (0.3 * b[i]!) / Math.sqrt(c[i]!)),
  );
  near(
    row(1),
    b.map((v, i) => v - (0.3 * a[i]!) / Math.sqrt(d[i]!)),
  );
  near(
    row(2),
    c.map((v, i) => v + (0.3 * b[i]!) ** 2),
  );
  near(
    row(3),
    d.map((v, i) => v + (0.3 * a[i]!) ** 2),
  );
});

test('pairs are counted by one over their distance, not over a text’s end', async () => {
  const corpus = await corpusOf(['a b c a', 'c b']);
  const { rows, columns, counts } = coOccurrences(corpus, { window: 2, draw: () => 0 });
  const found = new Map(
    [...rows].map((r, i) => [[corpus.words[r]!, corpus.words[columns[i]!]!].toSorted().join(''), counts[i]]),
  );
  // a b c a: ab 1 + 1/2 (b to the second a), ac 1/2 + 1, bc 1; c b: 1.
  expect(Object.fromEntries(found)).toEqual({ ab: 1.5, ac: 1.5, bc: 2 });
});

test('a corpus is words by frequency; rare ones leave no gap', async () => {
  const corpus = await wordCorpus(['The cat, the DOG’s tail', ['the', 'dog’s']], { minCount: 2 });
  expect(corpus.words).toEqual(['the']);
  const more = await wordCorpus(['The cat and the dog: the cat!', 'A dog.'], { minCount: 2 });
  expect(more.words).toEqual(['the', 'cat', 'dog']);
  expect([...more.ids]).toEqual([0, 1, 0, 2, 0, 1, -1, 2, -1]);
  expect([more.total, more.read, [...more.counts]]).toEqual([7, 9, [3, 2, 2]]);
  expect((await wordCorpus(['a a b b c c'], { minCount: 1, maxVocabulary: 2 })).words).toEqual(['a', 'b']);
});

test('what can’t be trained is told', async () => {
  await expect(wordCorpus([])).rejects.toThrow('the texts have no words');
  await expect(wordCorpus(['a b'], { minCount: 2 })).rejects.toThrow('none of 2 words is there 2 times');
  const corpus = await corpusOf(['a b a b']);
  const run = (o: object): Promise<WordVectors> => train(corpus, o as TrainWordsOptions);
  await expect(run({ rate: NaN })).rejects.toThrow('rate is NaN');
  await expect(run({ dimension: 0 })).rejects.toThrow('dimension is 0');
  await expect(run({ dimension: 2 ** 29 })).rejects.toThrow('at most 4 fit');
  await expect(run({ method: 'bert' })).rejects.toThrow('needs skipgram, cbow or glove');
  await expect(run({ dimensions: 5 })).rejects.toThrow('no option dimensions');
  await expect(run({ signal: AbortSignal.abort() })).rejects.toThrow('abort');
  await expect(train(await corpusOf(['a', 'b']), { method: 'glove' })).rejects.toThrow(
    'no two words stand near each other',
  );
  // One word alone has nothing to learn, and no reason to fail.
  expect((await train(await corpusOf(['a a a']), {})).words).toEqual(['a']);
});

test('aborted, it stops soon', async () => {
  const controller = new AbortController();
  const corpus = await corpusOf(planted(4000));
  const running = (async () => {
    for await (const event of trainWordVectors(corpus, { epochs: 10_000, signal: controller.signal }))
      if (event.type === 'progress') controller.abort(new Error('enough'));
  })();
  await expect(running).rejects.toThrow('enough');
});
