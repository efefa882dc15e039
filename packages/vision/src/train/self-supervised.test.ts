// Learning without classes: SimCLR, masked autoencoder, variational autoencoder; and images with texts.
import { input } from '@brickwork/graph';
import { evaluating, initialize, parameters, random } from '@brickwork/nn';
import { compile, hostTensor } from '@brickwork/runtime';
import { trainNetwork } from '@brickwork/training';
import { Model, type Tensors } from '@brickwork/transformer';
import { Tokenizer, tokenizerConfig, trainTokenizer } from '@brickwork/tokenizer';
import { describe, expect, test } from 'vitest';
import { clip } from '../architectures/clip.ts';
import { ConvNet } from '../architectures/conv-net.ts';
import { ConvVAE, VAEDecoder } from '../architectures/conv-vae.ts';
import { ViTMAEForPreTraining } from '../architectures/vit-mae.ts';
import { imageBatches } from '../data/image-batches.ts';
import { takeImages } from '../data/image-set.ts';
import { ImageClassifier } from '../explain/image-classifier.ts';
import { imagesTensor } from '../images/normalize.ts';
import { readImage } from '../data/read-image.ts';
import { noiseInputs, textInputs } from './extra-inputs.ts';
import { imageFeatures } from './image-features.ts';
import { linearProbe } from './linear-probe.ts';
import { shapes } from './shapes.fixture.ts';
import { ntXent, SimCLR, simCLRTransforms } from './sim-clr.ts';
import { ZeroShotClassifier } from './zero-shot.ts';

const train = shapes(120);
const test60 = shapes(60, { seed: 2 });
const seen = { channels: 1, normalization: { mean: [0.3], std: [0.3] }, workers: 0 } as const;

describe('SimCLR', () => {
  test('NT-Xent is the paper’s equation 1', async () => {
    const x = Float32Array.from({ length: 6 * 4 }, (_, i) => Math.sin(i * 1.3));
    const program = await compile({ y: ntXent(input('x', [6, 4]), 0.5) });
    const { y } = await program.run({ x: hostTensor(x, [6, 4]) });
    const row = (i: number): number[] => [...x.slice(4 * i, 4 * i + 4)];
    const dot = (a: number[], b: number[]): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
    const sim = (i: number, j: number): number =>
      dot(row(i), row(j)) / Math.sqrt(dot(row(i), row(i)) * dot(row(j), row(j)));
    let expected = 0;
    for (let i = 0; i < 6; i++) {
      let below = 0;
      for (let k = 0; k < 6; k++) if (k !== i) below += Math.exp(sim(i, k) / 0.5);
      expected -= Math.log(Math.exp(sim(i, (i + 3) % 6) / 0.5) / below) / 6;
    }
    expect(y!.data[0]).toBeCloseTo(expected, 5);
    await program.dispose();
    expect(() => ntXent(input('x', [3, 4]))).toThrow('two versions of two images');
    expect(() => ntXent(input('x', [4, 4]), 0)).toThrow('temperature is 0');
  });

  test('features learned without classes tell them better than those that nothing was learned for', async () => {
    const body = new ConvNet({ size: 12, inputs: 1, channels: [8, 16], labels: 3 });
    const first = new Map(
      [...initialize(body, 1)].map(([n, { data, shape, dtype }]) => [n, hostTensor(data.slice(), shape, dtype)]),
    );
    const probe = async (weights: typeof first): Promise<number> => {
      const classifier = new ImageClassifier({ network: body, weights });
      // As in the paper's second table, of classes only a few are told.
      const few = takeImages(
        train,
        Array.from({ length: 12 }, (_, i) => i),
      );
      const [a, b] = [await imageFeatures(classifier, few, seen), await imageFeatures(classifier, test60, seen)];
      const { accuracy } = await linearProbe(
        { features: a, labels: few.labels! },
        { features: b, labels: test60.labels! },
        { classes: 3, epochs: 60 },
      );
      await classifier.dispose();
      return accuracy;
    };
    const before = await probe(first);
    const network = new SimCLR(body, 16 * 9, { projection: 16, temperature: 0.5 });
    expect([...parameters(network).keys()].filter((name) => !parameters(body).has(name))).toEqual([
      'projector.0.weight',
      'projector.0.bias',
      'projector.2.weight',
      'projector.2.bias',
    ]);
    const data = imageBatches(train, {
      ...seen,
      batchSize: 40,
      views: 2,
      transforms: [
        { type: 'affine', translate: [0.3, 0.3], fill: 45 },
        { type: 'colorJitter', brightness: 0.4 },
      ],
    });
    const { weights, trained, events } = trainNetwork(network, data, {
      steps: 90,
      rate: 3e-3,
      weights: first,
      trains: network.trains(),
      evaluateEvery: 90,
    });
    expect(trained.some((name) => name.startsWith('classifier.'))).toBe(false);
    const losses: number[] = [];
    for await (const event of events) if (event.type === 'step') losses.push(event.loss);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.5);
    expect(await probe(new Map([...first.keys()].map((name) => [name, weights.get(name)!])))).toBeGreaterThan(
      Math.min(0.97, before + 0.05),
    );
  });
  test('the paper’s versions of images', () => {
    expect(simCLRTransforms(32).map(({ type }) => type)).toEqual([
      'randomResizedCrop',
      'flip',
      'colorJitter',
      'grayscale',
    ]);
    expect(simCLRTransforms(224).map(({ type }) => type)).toContain('blur');
  });
  test('a probe says what doesn’t fit', async () => {
    const features = { data: new Float32Array(4), count: 2, dimension: 2, indices: [0, 1] };
    const other = { ...features, dimension: 1, count: 4 };
    const labels = [0, 1];
    await expect(linearProbe({ features, labels }, { features: other, labels }, { classes: 2 })).rejects.toThrow(
      'of 2 and of 1',
    );
    await expect(linearProbe({ features, labels: [0, 2] }, { features, labels }, { classes: 2 })).rejects.toThrow(
      'row 1 has class 2',
    );
  });
});

describe('autoencoders', () => {
  const losses = async (network: ConvVAE | ViTMAEForPreTraining, steps: number): Promise<number[]> => {
    const data = imageBatches(
      { ...train, labels: null },
      {
        channels: 1,
        workers: 0,
        batchSize: 30,
        inputs: noiseInputs(network, network instanceof ConvVAE ? 'normal' : 'uniform'),
      },
    );
    const { events } = trainNetwork(network, data, { steps, rate: 3e-3, evaluateEvery: steps });
    const found: number[] = [];
    for await (const event of events) if (event.type === 'step') found.push(event.loss);
    return found;
  };
  test('a masked one learns to paint what it doesn’t see', async () => {
    const network = new ViTMAEForPreTraining({
      ...{
        image_size: 12,
        patch_size: 4,
        num_channels: 1,
        hidden_size: 32,
        num_hidden_layers: 1,
        num_attention_heads: 2,
      },
      ...{
        intermediate_size: 64,
        decoder_hidden_size: 16,
        decoder_num_hidden_layers: 1,
        decoder_num_attention_heads: 2,
      },
      decoder_intermediate_size: 32,
      mask_ratio: 0.5,
    });
    const found = await losses(network, 60);
    expect(found.at(-1)!).toBeLessThan(found[0]! / 2);
  });
  test('a variational one: its loss is the evidence’s bound, and it falls', async () => {
    const config = { image_size: 12, num_channels: 1, latent_size: 3, width: 4 };
    const network = new ConvVAE(config);
    const weights = initialize(network, 1);
    const given: Tensors = { pixel_values: input('pixel_values', [2, 1, 12, 12]), noise: input('noise', [2, 3]) };
    const names = ['latents', 'mean', 'log_variance', 'images', 'loss', 'reconstruction_loss', 'divergence'];
    const outputs = network.trace(given, evaluating());
    const program = await compile(Object.fromEntries(names.map((name) => [name, outputs[name]!()])));
    const draw = random(1);
    const pixels = Float32Array.from({ length: 288 }, () => draw.uniform());
    const noise = Float32Array.from({ length: 6 }, () => draw.normal());
    const out = await program.run(
      new Map([
        ...[...weights].map(([n, w]) => [n, hostTensor(w.data, w.shape)] as const),
        ['pixel_values', hostTensor(pixels, [2, 1, 12, 12])] as const,
        ['noise', hostTensor(noise, [2, 3])] as const,
      ]),
    );
    const [mean, logVariance] = [out['mean']!.data as Float32Array, out['log_variance']!.data as Float32Array];
    out['latents']!.data.forEach((z, i) =>
      expect(z).toBeCloseTo(mean[i]! + Math.exp(logVariance[i]! / 2) * noise[i]!, 5),
    );
    const painted = out['images']!.data as Float32Array;
    const bce =
      pixels.reduce((sum, t, i) => sum - t * Math.log(painted[i]!) - (1 - t) * Math.log(1 - painted[i]!), 0) / 2;
    const kl = mean.reduce((sum, m, i) => sum + 0.5 * (m * m + Math.exp(logVariance[i]!) - logVariance[i]! - 1), 0) / 2;
    expect(Number(out['reconstruction_loss']!.data[0]) / bce).toBeCloseTo(1, 4);
    expect(out['divergence']!.data[0]).toBeCloseTo(kl, 4);
    expect(Number(out['loss']!.data[0]) / (bce + kl)).toBeCloseTo(1, 4);
    await program.dispose();
    const found = await losses(network, 60);
    expect(found.at(-1)!).toBeLessThan(found[0]! - 5);
    // Images from numbers alone.
    const decoder = new VAEDecoder(config).trace({ latents: input('latents', ['B', 3]) }, evaluating());
    expect(decoder['images']!().shape).toEqual(['B', 1, 12, 12]);
    expect(() => new ConvVAE({ image_size: 10 })).toThrow('needs a multiple of 4');
  });
  test('a network without noise has none to be given', () => {
    expect(() => noiseInputs(new ConvNet(), 'normal')).toThrow(
      'the network takes pixel_values, labels; needs one that takes noise',
    );
  });
});

test('CLIP: images and texts that belong together, and classes by their names alone', async () => {
  const words = ['lying', 'standing', 'square'];
  const templates = ['a {} shape', 'something {}'];
  const sentences = words.flatMap((word) => templates.map((t) => t.replace('{}', word)));
  const json = await trainTokenizer(
    sentences.map((s) => `${s}\n`),
    { type: 'wordpiece', vocabularySize: 80 },
  );
  const tokenizer = new Tokenizer(json, tokenizerConfig(json));
  const eos = tokenizer.encode('a').ids.at(-1)!;
  const tower = {
    hidden_size: 32,
    intermediate_size: 64,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    projection_dim: 16,
  };
  const config = {
    model_type: 'clip',
    projection_dim: 16,
    text_config: { ...tower, vocab_size: 96, max_position_embeddings: 16, eos_token_id: eos },
    vision_config: { ...tower, image_size: 12, patch_size: 4, num_channels: 1 },
  };
  const network = clip.classes['CLIPModel']!(config);
  const many = shapes(900, { seed: 5 });
  const texts = Array.from(many.labels!, (label, i) => templates[i % 2]!.replace('{}', words[label]!));
  const data = imageBatches(
    { ...many, labels: null },
    { ...seen, batchSize: 24, inputs: textInputs(tokenizer, { texts, maxLength: 12 }) },
  );
  const { batch } = await data.batch(0);
  expect(batch['input_ids']!.shape).toEqual([24, 12]);
  const { weights, events } = trainNetwork(network, data, { steps: 240, rate: 3e-3, evaluateEvery: 240 });
  const losses: number[] = [];
  for await (const event of events) if (event.type === 'step') losses.push(event.loss);
  expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.5);
  const model = new Model({ network, architecture: clip, className: 'CLIPModel', weights, config });
  const zeroShot = await ZeroShotClassifier.open(model, tokenizer, { classes: words, templates });
  const images = await Promise.all(Array.from({ length: 60 }, (_, i) => readImage(test60, i, { channels: 1 })));
  const { predicted, probabilities, similarities } = await zeroShot.classify(imagesTensor(images, seen.normalization));
  expect(predicted.filter((c, i) => c === test60.labels![i]).length / 60).toBeGreaterThan(0.8);
  expect(probabilities[0]!.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
  expect(similarities.flatMap((row) => [...row]).every((s) => Math.abs(s) <= 1.0001)).toBe(true);
  await zeroShot.dispose();
  await expect(ZeroShotClassifier.open(model, tokenizer, { classes: [] })).rejects.toThrow('there are no classes');
  await expect(ZeroShotClassifier.open(model, tokenizer, { classes: words, templates: ['x'] })).rejects.toThrow(
    'has no {}',
  );
});
