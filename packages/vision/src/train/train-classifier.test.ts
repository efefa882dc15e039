// Classifiers trained on shapes: they learn, move batch norm's numbers, resume, and keep what isn't trained.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initialize } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { afterAll, describe, expect, test } from 'vitest';
import { ConvNet } from '../architectures/conv-net.ts';
import { fgsm } from '../attacks/attack.ts';
import { takeImages } from '../data/image-set.ts';
import { ImageClassifier } from '../explain/image-classifier.ts';
import { evaluateImages, readImages } from './evaluate-images.ts';
import { imageFeatures } from './image-features.ts';
import { imageLoss } from './image-loss.ts';
import { lastHidden, transferred } from './last-hidden.ts';
import { shapes } from './shapes.fixture.ts';
import { trainClassifier, type TrainClassifierOptions } from './train-classifier.ts';
import { AlexNet } from '../architectures/alexnet.ts';
import { LeNet5 } from '../architectures/lenet.ts';
import { TorchvisionResNet } from '../architectures/torchvision-resnet.ts';
import { ViTForImageClassification } from '../architectures/vit.ts';
import { input } from '@brickwork/graph';
import { evaluating, type Network } from '@brickwork/nn';

const root = mkdtempSync(join(tmpdir(), 'brickwork-classifier-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const net = (): ConvNet => new ConvNet({ size: 12, inputs: 1, channels: [8, 16], labels: 3 });
const train = shapes(120);
const validation = shapes(60, { seed: 2 });
const seen = { channels: 1, normalization: { mean: [0.3], std: [0.3] }, workers: 0 } as const;
const usual = { epochs: 4, batchSize: 20, rate: 0.01, ...seen, picture: false } as const;
const values = (weights: ReadonlyMap<string, HostTensor>): Record<string, number[]> =>
  Object.fromEntries([...weights].map(([name, { data }]) => [name, Array.from(data as Float32Array, Number)]));

async function run(
  o: Partial<TrainClassifierOptions> = {},
  stopAfter = Infinity,
): Promise<{
  weights: ReadonlyMap<string, HostTensor>;
  classifier: ImageClassifier;
  losses: number[];
}> {
  const stop = new AbortController();
  const network = net();
  const { weights, events } = trainClassifier(network, { train, validation }, { ...usual, ...o, signal: stop.signal });
  const losses: number[] = [];
  for await (const event of events) {
    if (event.type === 'evaluation') losses.push(event.loss);
    if (event.type === 'step' && event.step >= stopAfter) stop.abort();
  }
  return { weights, losses, classifier: new ImageClassifier({ network, weights }) };
}

describe('trainClassifier', () => {
  test('learns what it was shown, and is evaluated by running statistics that moved', async () => {
    const { losses, classifier, weights } = await run({ epochs: 8 });
    expect(losses).toHaveLength(8);
    const { accuracy, loss, top5, confusion, predicted } = await evaluateImages(classifier, validation, seen);
    expect(accuracy).toBeGreaterThan(0.9);
    expect(loss).toBeCloseTo(losses.at(-1)!, 5);
    expect(top5).toBe(1);
    expect(confusion.reduce((sum, row) => sum + row.reduce((a, b) => a + b, 0), 0)).toBe(60);
    expect(predicted).toHaveLength(60);
    expect(weights.get('features.1.num_batches_tracked')!.data[0]).toBe(48n);
    expect(values(weights)['features.1.running_mean']!.some((v) => Math.abs(v) > 0.01)).toBe(true);
  });

  test('SGD with momentum and halving on a plateau, as in the lecture', async () => {
    const { losses } = await run({ optimizer: 'sgd', momentum: 0.9, schedule: 'plateau', rate: 0.05, epochs: 6 });
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
  });

  test.each([
    { augmented: 'crops', transforms: [{ type: 'randomCrop', size: 12, padding: 1 }] },
    { augmented: 'mixtures', mix: { kind: 'mixup', alpha: 0.3 }, labelSmoothing: 0.1 },
  ] as const)('stopped and resumed, with $augmented, the weights are the same', async ({ augmented, ...o }) => {
    const expected = values((await run({ ...o, epochs: 2 })).weights);
    const folder = join(root, augmented);
    await run({ ...o, epochs: 2, folder }, 7);
    const { weights } = await run({ ...o, epochs: 2, folder, resume: true });
    expect(values(weights)).toEqual(expected);
    await expect(run({ ...o, epochs: 2, folder, resume: true, batchSize: 24 })).rejects.toThrow('batchSize');
  });

  test('of a fixed extractor only the last layer changes, by features that are always the same', async () => {
    const first = await run({ epochs: 1 });
    const start = new Map(
      [...first.weights].map(([n, { data, shape, dtype }]) => [n, hostTensor(data.slice(), shape, dtype)]),
    );
    const before = values(start);
    for (const [layers, changes] of [
      ['head', ['classifier.2.weight', 'classifier.2.bias']],
      [{ last: 2 }, ['features.4.weight', 'features.5.', 'classifier.2.']],
    ] as const) {
      const { weights } = await run({ weights: start, layers, epochs: 1 });
      const after = values(weights);
      for (const name of Object.keys(before))
        if (changes.some((part) => name.startsWith(part))) expect(after[name], name).not.toEqual(before[name]);
        else expect(after[name], name).toEqual(before[name]);
    }
    expect(() => transferred(net(), { last: 9 })).toThrow('the last 9 layers; the network has 3');
    expect(() => transferred(net(), { last: 0 })).toThrow('the last 0 layers');
  });

  test('adversarial training makes FGSM err less', async () => {
    const attacked = async (classifier: ImageClassifier): Promise<number> => {
      let wrong = 0;
      for await (const { images, indices } of readImages(validation, seen)) {
        const labels = indices.map((i) => validation.labels![i]!);
        const { succeeded } = await fgsm(classifier, images, { epsilon: 0.2, labels, ...seen.normalization });
        wrong += succeeded.filter(Boolean).length;
      }
      return wrong / validation.count;
    };
    const usualError = await attacked((await run({ epochs: 12 })).classifier);
    const { classifier } = await run({ epochs: 12, adversarial: { epsilon: 0.2 } });
    expect((await evaluateImages(classifier, validation, seen)).accuracy).toBeGreaterThan(0.8);
    expect(await attacked(classifier)).toBeLessThan(usualError - 0.15);
  });

  test('what makes no sense is refused', () => {
    const bad =
      (o: Partial<TrainClassifierOptions>, set = train): (() => unknown) =>
      () =>
        trainClassifier(net(), { train: set }, { ...usual, ...o });
    expect(bad({ epochs: 0 })).toThrow('epochs is 0');
    expect(bad({}, { ...train, labels: null })).toThrow('no classes to learn');
    expect(bad({}, { ...train, classes: ['a', 'b', 'c', 'd'] })).toThrow('it has 4 classes; the network tells 3 apart');
    expect(bad({ labelSmoothing: 1 })).toThrow('labelSmoothing is 1');
  });
});

describe('imageLoss', () => {
  test('of a mixed batch it is both labels’ by their shares', async () => {
    const logits = input('logits', [2, 3]);
    const given = {
      labels: input('labels', [2], 'int64'),
      other_labels: input('other_labels', [2], 'int64'),
      share: input('share', []),
    };
    const { compile } = await import('@brickwork/runtime');
    const program = await compile({ y: imageLoss()({ logits: () => logits }, given, evaluating()) });
    const x = [1, 2, 3, 0, 0, 5];
    const { y } = await program.run({
      logits: hostTensor(Float32Array.from(x), [2, 3]),
      labels: hostTensor(BigInt64Array.of(0n, 2n)),
      other_labels: hostTensor(BigInt64Array.of(2n, 1n)),
      share: hostTensor(Float32Array.of(0.3), []),
    });
    const loss = (row: number[], c: number): number => Math.log(row.reduce((s, v) => s + Math.exp(v), 0)) - row[c]!;
    const [a, b] = [x.slice(0, 3), x.slice(3)];
    const expected = 0.3 * (loss(a, 0) + loss(b, 2)) * 0.5 + 0.7 * (loss(a, 2) + loss(b, 1)) * 0.5;
    expect(y!.data[0]).toBeCloseTo(expected, 5);
    await program.dispose();
  });
});

describe('lastHidden', () => {
  test.each([
    ['AlexNet', () => new AlexNet(), [2, 3, 224, 224], 4096],
    ['LeNet-5', () => new LeNet5(), [2, 1, 28, 28], 84],
    ['ResNet-18', () => new TorchvisionResNet({ depth: 18 }), [2, 3, 64, 64], 512],
    [
      'ViT',
      () =>
        new ViTForImageClassification({
          hidden_size: 24,
          num_hidden_layers: 1,
          num_attention_heads: 2,
          intermediate_size: 8,
          image_size: 8,
          patch_size: 4,
        }),
      [2, 3, 8, 8],
      24,
    ],
  ] as const)('%s', (_, make, shape, width) => {
    const network: Network = make();
    const outputs = network.trace({ pixel_values: input('pixel_values', shape) }, evaluating());
    expect(lastHidden(outputs['logits']!()).shape).toEqual([2, width]);
  });
  test('logits that come from no linear layer are refused', () => {
    expect(() => lastHidden(input('x', [2, 3]))).toThrow('no linear layer');
  });
});

test('images as vectors: of the last hidden layer or another, whatever the batch', async () => {
  const network = net();
  const weights = new Map(
    [...initialize(network, 1)].map(([n, { data, shape, dtype }]) => [n, hostTensor(data, shape, dtype)]),
  );
  const classifier = new ImageClassifier({ network, weights });
  const set = takeImages(validation, [0, 1, 2, 3, 4]);
  const all = await imageFeatures(classifier, set, seen);
  expect([all.count, all.dimension]).toEqual([5, 16 * 9]);
  const few = await imageFeatures(classifier, set, { ...seen, batchSize: 2 });
  few.data.forEach((v, i) => expect(Math.abs(v - all.data[i]!)).toBeLessThan(1e-5));
  expect((await imageFeatures(classifier, set, { ...seen, layer: 'features.0' })).dimension).toBe(8 * 144);
  await expect(imageFeatures(classifier, set, { ...seen, layer: 'fc' })).rejects.toThrow(
    'there is no layer fc; there are features.0',
  );
  await classifier.dispose();
});

test('ten crops of an image count as their mean', async () => {
  const { classifier } = await run({ epochs: 2 });
  const large = shapes(12, { size: 14, seed: 3 });
  const found = await evaluateImages(classifier, large, { ...seen, tenCrop: 12 });
  expect(found.predicted).toHaveLength(12);
  // The same by hand for the first.
  const { tenCrop } = await import('../transforms/ten-crop.ts');
  const { readImage } = await import('../data/read-image.ts');
  const { imagesTensor } = await import('../images/normalize.ts');
  const crops = tenCrop(await readImage(large, 0, { channels: 1 }), 12);
  const { probabilities } = await classifier.classify(imagesTensor(crops, seen.normalization));
  const mean = [0, 1, 2].map((c) => probabilities.reduce((sum, p) => sum + p[c]!, 0) / 10);
  expect(found.confidence[0]).toBeCloseTo(Math.max(...mean), 5);
  await expect(evaluateImages(classifier, { ...large, labels: null }, seen)).rejects.toThrow('no classes to compare');
});
