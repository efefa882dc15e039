// Classes by likelihood: arithmetic with known numbers, and two tiny models trained, interrupted, saved and read again.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scoredText, type Scored } from '@brickwork/transformer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TextScorer } from './class-member.ts';
import { LikelihoodClassifier, type TrainClassifierOptions } from './likelihood-classifier.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-likelihood-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

// A model to which each letter has a probability of its own.
const letters = (logProbs: Readonly<Record<string, number>>): TextScorer => ({
  async score(texts, { signal, onProgress } = {}): Promise<Scored[]> {
    signal?.throwIfAborted();
    onProgress?.({ done: texts.length, total: texts.length });
    return texts.map((text) =>
      scoredText(
        text,
        '',
        [...text].map((letter, i) => ({
          ...{ id: 0, text: letter, start: i, end: i + 1, word: i, logProb: logProbs[letter] ?? -4 },
        })),
      ),
    );
  },
});
const members = [
  { label: 'a', scorer: letters({ a: -1, b: -3 }) },
  { label: 'b', scorer: letters({ a: -3, b: -1 }) },
];

describe('known numbers', () => {
  test('the class is the likelier one, with its posterior and the evidence of each letter', async () => {
    const classifier = new LikelihoodClassifier(members);
    const [one, two] = await classifier.classify(['aab', 'bb']);
    expect([one!.label, two!.label]).toEqual(['a', 'b']);
    expect(one!.classes.map(({ logLikelihood }) => logLikelihood)).toEqual([-5, -7]);
    expect(one!.classes[0]!.probability).toBeCloseTo(1 / (1 + Math.exp(-2)), 12);
    expect(one!.evidence.map(({ text, logRatio }) => [text, logRatio])).toEqual([
      ['a', 2],
      ['a', 2],
      ['b', -2],
    ]);
  });

  test('priors and temperature count', async () => {
    const prior = new LikelihoodClassifier(
      members.map((member, c) => ({ ...member, prior: c ? 99 : 1 })),
      { temperature: 2 },
    );
    expect(prior.priors).toEqual([0.01, 0.99]);
    const [one] = await prior.classify(['aab']);
    expect(one!.label).toBe('b');
    expect(one!.classes[0]!.probability).toBeCloseTo((0.01 * Math.E) / (0.01 * Math.E + 0.99), 9);
  });

  test('calibration makes overconfident classes as sure as they are right', async () => {
    const classifier = new LikelihoodClassifier(members);
    // Each text says a with 4 nats; one of four is b's in truth.
    const texts = ['aa', 'aa', 'aa', 'aa'].map((text, i) => ({ text, label: i ? 'a' : 'b' }));
    const before = await classifier.evaluate(texts);
    const note = await classifier.calibrate(texts);
    const after = await classifier.evaluate(texts);
    expect(note).toMatchObject({ texts: 4, accuracy: 0.75 });
    expect(classifier.temperature).toBeCloseTo(4 / Math.log(3), 3);
    expect(after.predictions[0]!.classes[0]!.probability).toBeCloseTo(0.75, 4);
    expect(after.negativeLogLikelihood).toBeLessThan(before.negativeLogLikelihood);
    expect(after.negativeLogLikelihood).toBeCloseTo(note.negative_log_likelihood, 12);
    expect(after.calibration.error).toBeLessThan(1e-4);
    expect(before.calibration.error).toBeGreaterThan(0.2);
    expect([after.accuracy, after.matrix.map((row) => [...row])]).toEqual([
      0.75,
      [
        [3, 0],
        [1, 0],
      ],
    ]);
  });

  test('progress is told over all models, and a signal ends it', async () => {
    const told: number[] = [];
    await new LikelihoodClassifier(members).classify(['a', 'b'], { onProgress: ({ done }) => told.push(done) });
    expect(told).toEqual([2, 4]);
    const stopped = new LikelihoodClassifier(members).classify(['a'], { signal: AbortSignal.abort() });
    await expect(stopped).rejects.toThrow(/abort/i);
  });

  test('what makes no sense is refused', async () => {
    expect(() => new LikelihoodClassifier(members.slice(1))).toThrow('one class alone (b); needs two or more');
    expect(() => new LikelihoodClassifier([members[0]!, members[0]!])).toThrow('two classes are called "a"');
    expect(() => new LikelihoodClassifier(members.map((m) => ({ ...m, prior: 0 })))).toThrow('the prior of a is 0');
    expect(() => new LikelihoodClassifier(members, { temperature: NaN })).toThrow('temperature is NaN');
    const classifier = new LikelihoodClassifier(members);
    await expect(classifier.classify(['a', ' '])).rejects.toThrow('text 2 of 2 is empty');
    await expect(classifier.evaluate([{ text: 'a', label: 'c' }])).rejects.toThrow('no class "c"; there are a, b');
    await expect(classifier.calibrate([])).rejects.toThrow('no texts');
    await expect(classifier.save(join(root, 'stub'))).rejects.toThrow('needs a Scorer');
    expect(existsSync(join(root, 'stub'))).toBe(false);
  });
});

const texts = {
  cats: 'the cat sat on the mat and the cat ate a fish. a cat sleeps in the sun. '.repeat(30),
  'Dogs & co': 'my dog runs over hills, barks at cars, and digs for bones with his friend! '.repeat(30),
};
const small: Omit<TrainClassifierOptions, 'run'> = {
  ...{ layers: 1, heads: 2, width: 16, context: 16, batchSize: 4, vocabularySize: 300, passageWords: 10 },
  ...{ baseSteps: 20, steps: 20, evaluateEvery: 10, rate: 1e-2, classRate: 1e-2, compile: { threads: 1 } },
};
const at = (name: string): string => join(root, name);

describe('training', () => {
  let classifier: LikelihoodClassifier;
  const stages: string[] = [];
  beforeAll(async () => {
    classifier = await LikelihoodClassifier.train(texts, {
      ...small,
      run: at('one.run'),
      onProgress: ({ stage, label }) => stages.push(label ? `${stage} ${label}` : stage),
    });
    await classifier.save(at('one'));
  });
  afterAll(() => classifier.dispose());
  const asked = ['a cat on the mat', 'dogs bark, and dig!'];

  test('tells the classes, and what it is at', async () => {
    expect((await classifier.classify(asked)).map(({ label }) => label)).toEqual(['cats', 'Dogs & co']);
    expect([...new Set(stages)]).toEqual(['tokenizer', 'base', 'class cats', 'class Dogs & co', 'calibration']);
    expect(classifier.calibrated!.texts).toBeGreaterThan(5);
    expect(classifier.temperature).toBe(classifier.calibrated!.temperature);
  });

  test('what is saved says the same when it is read again, and is saved again', async () => {
    expect(readdirSync(at('one')).toSorted()).toEqual(['class-0', 'class-1', 'classifier.json']);
    const read = await LikelihoodClassifier.load(at('one'), { compile: { threads: 1 } });
    expect([read.labels, read.temperature]).toEqual([classifier.labels, classifier.temperature]);
    expect(await read.classify(asked)).toEqual(await classifier.classify(asked));
    await read.save(at('two'));
    const again = readFileSync(join(at('two'), 'classifier.json'), 'utf8');
    expect(again).toBe(readFileSync(join(at('one'), 'classifier.json'), 'utf8'));
    await read.dispose();
  });

  test('interrupted anywhere, it goes on to the same models', async () => {
    for (const [i, place] of ['base 7', 'class cats 13', 'class Dogs & co 2'].entries()) {
      const run = at(`stopped-${i}.run`);
      const stop = new AbortController();
      const first = LikelihoodClassifier.train(texts, {
        ...small,
        ...{ run, signal: stop.signal },
        onProgress: ({ stage, label, step }) =>
          [stage, ...(label ? [label] : []), step].join(' ') === place && stop.abort(),
      });
      await expect(first).rejects.toThrow(/abort/i);
      await expect(LikelihoodClassifier.train(texts, { ...small, run })).rejects.toThrow('a run is there');
      const resumed = await LikelihoodClassifier.train(texts, { ...small, run, resume: true });
      expect(await resumed.classify(asked)).toEqual(await classifier.classify(asked));
      await resumed.dispose();
    }
  });

  test('other options than the run was started with are an error', async () => {
    const other = LikelihoodClassifier.train(texts, { ...small, run: at('one.run'), resume: true, rate: 2e-2 });
    await expect(other).rejects.toThrow('rate was 0.01, is 0.02');
  });

  test('characters may be tokens, classes may go without a base, and shares are those of the texts', async () => {
    const lists = { cats: [texts.cats.slice(0, 900), texts.cats.slice(0, 300)], dogs: [texts['Dogs & co']] };
    const other = await LikelihoodClassifier.train(lists, {
      ...small,
      ...{ run: at('char.run'), tokenizer: 'char', baseSteps: 0, priors: 'frequency' },
    });
    expect(other.priors).toEqual([2 / 3, 1 / 3]);
    // A letter that training lacks.
    expect((await other.classify(['the cat sat on the mat ~'])).map(({ label }) => label)).toEqual(['cats']);
    await other.dispose();
  });

  test('too little is said', async () => {
    const train = (given: Record<string, string | string[]>, o = {}): Promise<unknown> =>
      LikelihoodClassifier.train(given, { ...small, ...o, run: at('none.run') });
    await expect(train({ cats: texts.cats })).rejects.toThrow('one class alone (cats)');
    await expect(train({})).rejects.toThrow('no classes');
    await expect(train({ cats: texts.cats, dogs: [' '] })).rejects.toThrow('class dogs: no text');
    await expect(train({ cats: texts.cats, dogs: 'a dog' })).rejects.toThrow(/class dogs: \d+ tokens to train on/);
    await expect(train(texts, { priors: { cats: 1 } })).rejects.toThrow('no prior for Dogs & co');
    await expect(train(texts, { priors: { cats: 1, owls: 1 } })).rejects.toThrow('a prior for owls');
    await expect(train(texts, { validation: 1 })).rejects.toThrow('share is 1');
    expect(existsSync(at('none.run'))).toBe(false);
  });
});

test('models with different tokenizers are compared over the same text', async () => {
  const shakespeare = fileURLToPath(new URL('../../../../models/shakespeare', import.meta.url));
  const classifier = await LikelihoodClassifier.fromModels(
    [
      { label: 'letters', folder: shakespeare },
      { label: 'pieces', folder: join(at('one'), 'class-0') },
    ],
    { compile: { threads: 1 } },
  );
  const text = 'ROMEO:\nWhat light is this?';
  const [one] = await classifier.classify([text]);
  expect(one!.label).toBe('letters');
  expect(one!.evidence.map((piece) => piece.text).join('')).toBe(text);
  const [best, other] = one!.classes;
  const sum = one!.evidence.reduce((total, { logRatio }) => total + logRatio, 0);
  expect(sum).toBeCloseTo(best!.logLikelihood - other!.logLikelihood, 6);
  await classifier.dispose();
});

describe('a folder that is no classifier', () => {
  const write = (content: string): string => {
    const folder = mkdtempSync(join(root, 'bad-'));
    writeFileSync(join(folder, 'classifier.json'), content);
    return folder;
  };
  const good = {
    format: 1,
    classes: ['a', 'b'].map((label) => ({ label, folder: label, prior: 0.5 })),
    temperature: 1,
    calibration: null,
  };
  test.each([
    ['{', 'not JSON'],
    ['null', 'not a JSON object'],
    [JSON.stringify({ ...good, format: 2 }), 'format is 2'],
    [JSON.stringify({ ...good, classes: good.classes.slice(1) }), 'classes is no list of two'],
    [JSON.stringify({ ...good, classes: [null, null] }), 'class 0 has no label'],
    [
      JSON.stringify({ ...good, classes: [{ label: 'a', folder: '../../etc', prior: 1 }, good.classes[1]] }),
      'plain name',
    ],
    [JSON.stringify({ ...good, temperature: -1 }), 'temperature is -1'],
    [JSON.stringify(good), 'there is no folder'],
  ])('%s', async (content, message) => {
    await expect(LikelihoodClassifier.load(write(content))).rejects.toThrow(message);
  });

  test('none at all', async () => {
    await expect(LikelihoodClassifier.load(join(root, 'nowhere'))).rejects.toThrow('there is none');
  });
});
