// The models that ship: each opens, fits in the space that it may take, and has the loss that its card says.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { evaluateSts, SentenceEncoder, VectorIndex } from '../packages/embedding/src/index.ts';
import { random } from '../packages/nn/src/index.ts';
import { classification, compileStep, encodeText, evaluate, nextTokenData } from '../packages/training/src/index.ts';
import { fillMask, loadModel } from '../packages/transformer/src/index.ts';
import { evaluateImages, fgsm, idxImages, ImageModel, readImages } from '../packages/vision/src/index.ts';
import { hasShared, sharedPath } from './fixtures.ts';

const models = fileURLToPath(new URL('../models/', import.meta.url));
const names = readdirSync(models);
const card = (name: string): string => readFileSync(join(models, name, 'README.md'), 'utf8');

describe.each(names)('%s', (name) => {
  const folder = join(models, name);

  test('is at most 25 MB, and its card names licence, data, command and figures', () => {
    const bytes = readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
    expect(bytes).toBeLessThan(25e6);
    expect(card(name)).toMatch(/^license: /m);
    for (const part of ['Data: ', 'Made by `', 'Validation']) expect(card(name)).toContain(part);
    const [, recipe] = /Made by `(\S+)/.exec(card(name))!;
    expect(existsSync(join(models, '..', recipe!))).toBe(true);
  });

  test.skipIf(name === 'sentences' || name === 'digits')('opens, with a tokenizer of its own vocabulary', async () => {
    const lm = await loadModel(folder);
    const { vocab_size } = lm.network.config as { vocab_size: number };
    const { vocabularySize } = await lm.tokenizer();
    expect(vocabularySize).toBeLessThanOrEqual(vocab_size);
    expect(vocabularySize).toBeGreaterThan(vocab_size - 8); // rows are filled up to a multiple of eight
  });
});

// Measured as `lm pretrain` does it: the last 10% of the characters, all of them, in windows of the context's length.
test.skipIf(!hasShared)('shakespeare has the validation loss that its card says (needs ../shared)', async () => {
  const lm = await loadModel(join(models, 'shakespeare'));
  const text = readFileSync(sharedPath('data/tinyshakespeare/input.txt'), 'utf8');
  const data = encodeText(text, await lm.tokenizer());
  const [B, T] = [16, lm.causalLM.contextLength];
  const step = await compileStep(lm.causalLM, { weights: lm.weights, grads: new Map(), B, T });
  const { validation } = nextTokenData(data, { seed: 0, B, T, sampling: 'random' });
  const loss = (await evaluate(step, validation()))!;
  await step.dispose();
  const [, said] = /by `lm pretrain`: ([\d.]+) nats a character/.exec(card('shakespeare'))!;
  expect(Math.abs(loss - Number(said))).toBeLessThan(1e-3);
  expect(loss).toBeLessThan(1.55);
});

test('encoder fills masks with what fits', async () => {
  const model = await loadModel(join(models, 'encoder'));
  const tokenizer = await model.tokenizer();
  const best = async (text: string): Promise<string[]> =>
    (await fillMask(model, tokenizer, text))[0]!.map(({ tokenText }) => tokenText);
  expect(await best('It was a [MASK] day.')).toContain('good');
  expect((await best('She looked at [MASK] and smiled.')).slice(0, 2).toSorted()).toEqual(['her', 'him']);
  await model.dispose();
});

test.skipIf(!hasShared)('spam finds the spam that its card says (needs ../shared)', async () => {
  const model = await loadModel(join(models, 'spam'));
  const tokenizer = await model.tokenizer();
  const lines = readFileSync(sharedPath('data/sms_spam/sms.tsv'), 'utf8').trimEnd().split('\n');
  const held = lines.filter((_, i) => i % 5 === 4).map((line) => line.split('\t') as [string, string]);
  const labels = { problem: 'single_label_classification', names: ['ham', 'spam'] } as const;
  const task = classification(tokenizer, { labels, padId: 0, limit: 128, multiple: 32 });
  const examples = held.flatMap(([label, text]) => [...task.encode({ kind: 'labelled', text, pair: null, label })]);
  const counts = { both: 0, found: 0, there: 0 };
  for (let first = 0; first < examples.length; first += 64) {
    const some = examples.slice(first, first + 64);
    const { labels: truth, ...inputs } = task.collate(some, random(0)).batch;
    const { logits } = await model.run(inputs, ['logits']);
    const scores = logits!.data as Float32Array;
    some.forEach((_, row) => {
      const [found, there] = [scores[2 * row + 1]! > scores[2 * row]!, Number(truth!.data[row]) === 1];
      counts.found += Number(found);
      counts.there += Number(there);
      counts.both += Number(found && there);
    });
  }
  const f1 = (2 * counts.both) / (counts.found + counts.there);
  const [, said] = /F1 of spam ([\d.]+)/.exec(card('spam'))!;
  expect(f1).toBeCloseTo(Number(said), 3);
  expect(f1).toBeGreaterThan(0.95);
  await model.dispose();
});

describe('sentences', () => {
  const folder = join(models, 'sentences');

  test('puts what means the same nearer than what doesn’t, also where no word is shared', async () => {
    const encoder = await SentenceEncoder.load(folder);
    const cosine = async (a: string, b: string): Promise<number> => {
      const [x, y] = await encoder.encode([a, b]);
      return x!.reduce((sum, v, i) => sum + v * y![i]!, 0);
    };
    for (const [a, near, far] of [
      ['A man plays the guitar.', 'A man is playing a guitar.', 'The stock market fell sharply.'],
      ['The ship sailed over the sea.', 'A boat crossed the ocean.', 'She baked bread in the oven.'],
      ['He was angry and shouted.', 'They cried out in rage.', 'The garden was full of flowers.'],
      ['Free entry! Win a cash prize now', 'Call to claim your prize', 'My dear mother is very ill.'],
    ] as const)
      expect(await cosine(a, near)).toBeGreaterThan((await cosine(a, far)) + 0.05);
    expect(await cosine('The cat sat.', 'The cat sat.')).toBeCloseTo(1, 5);
  });

  test('finds the passage that a question is about', async () => {
    const encoder = await SentenceEncoder.load(folder);
    const texts = [
      'The bread is baked in a hot oven until the crust is brown.',
      'The regiment marched to war with drums and banners.',
      'The physician prescribed medicine for the fever.',
      'The judge sentenced the thief to prison.',
      'Rain fell all night and the river rose.',
      'The queen wore a crown of gold.',
      'He paid the debt with ten pounds.',
      'Birds build nests in spring.',
    ];
    const index = VectorIndex.create({ dimension: encoder.dimension });
    const vectors = await encoder.encode(texts);
    await index.add(texts.map((text, i) => ({ id: `${i}`, text, vector: vectors[i]! })));
    for (const [question, answer] of [
      ['soldiers in battle', 1],
      ['a doctor cures a sick man', 2],
      ['money that was owed', 6],
      ['storms and floods of water', 4],
    ] as const) {
      const [vector] = await encoder.encode([question]);
      const best = (await index.search(vector!, { k: 2 })).map(({ id }) => Number(id));
      expect(best).toContain(answer);
    }
  });

  test.skipIf(!hasShared)('has the figures of its card (needs ../shared)', async () => {
    const encoder = await SentenceEncoder.load(folder);
    const pairs = readFileSync(sharedPath('data/stsb/sts-dev.csv'), 'utf8')
      .split('\n')
      .map((line) => line.split('\t'))
      .filter((cells) => cells.length > 6)
      .map((cells) => ({ a: cells[5]!, b: cells[6]!, score: Number(cells[4]) }));
    const { spearman } = await evaluateSts(encoder, pairs);
    const [, said] = /STS-B, dev[^|]*\| *(0\.\d+)/.exec(card('sentences'))!;
    expect(Math.abs(spearman - Number(said))).toBeLessThan(1e-3);
  });
});

describe('digits', () => {
  const open = (): Promise<ImageModel> => ImageModel.fromPretrained(join(models, 'digits'));

  test('names the digits that were drawn for it', async () => {
    const model = await open();
    const files = Array.from({ length: 10 }, (_, i) => join(models, 'digits', 'samples', `${i}.png`));
    const found = await model.classify(files, { topK: 1 });
    expect(found.map(([best]) => best!.label)).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`));
    await model.dispose();
  });

  test.skipIf(!hasShared)(
    'has the accuracy that its card says, and FGSM raises its error as said (needs ../shared)',
    async () => {
      const model = await open();
      const { normalization, transforms, channels } = model.processor;
      const set = await idxImages({
        images: sharedPath('data/mnist/t10k-first5000-images-idx3-ubyte.gz'),
        labels: sharedPath('data/mnist/t10k-first5000-labels-idx1-ubyte.gz'),
      });
      const o = { transforms, normalization, channels, batchSize: 250, workers: 0 };
      const { accuracy } = await evaluateImages(model.classifier, set, o);
      const [, said] = /test set: ([\d.]+)%/.exec(card('digits'))!;
      expect(Math.abs(100 * accuracy - Number(said))).toBeLessThan(0.03); // one image is 0.02%
      let wrong = 0;
      for await (const { images, indices } of readImages(set, o)) {
        const labels = indices.map((i) => set.labels![i]!);
        const { succeeded } = await fgsm(model.classifier, images, { ...normalization, epsilon: 0.25, labels });
        wrong += succeeded.filter(Boolean).length;
      }
      const [, fooled] = /([\d.]+)% at ε = 0\.25/.exec(card('digits'))!;
      expect(Math.abs((100 * wrong) / set.count - Number(fooled))).toBeLessThan(0.2);
      expect(wrong / set.count).toBeGreaterThan(0.8);
      await model.dispose();
    },
    60_000,
  );
});
