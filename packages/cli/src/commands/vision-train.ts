// lm vision train: a network of pictures, from nothing: to name them, or without anybody naming them.
import type { Config } from '@brickwork/transformer';
import type { ImageModel, ImageSet, Normalization, Transform } from '@brickwork/vision';
import type { Command } from '../lib/command.ts';
import { engineOptions } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import type { Io } from '../lib/io.ts';
import { runOutput } from '../lib/run-output.ts';
import { fixedShapes, imageNetworks, networkConfig, smallViT, type ImageNetworkArgs } from '../lib/vision-config.ts';
import { augmentation, visionTrainFlags, type VisionTrainArgs } from '../lib/vision-train-flags.ts';
import {
  classifierOptions,
  runVision,
  trainingImages,
  visionBatchOptions,
  visionTrainOptions,
  type VisionRun,
} from '../lib/vision-tune.ts';
import { evaluationScores } from '../lib/vision-scores.ts';

const methods = ['classify', 'simclr', 'mae', 'vae'] as const;

interface Args extends VisionTrainArgs, ImageNetworkArgs {
  readonly method: (typeof methods)[number];
  readonly size?: number;
  readonly grey: boolean;
  readonly normalize: 'data' | 'imagenet' | 'half' | 'none';
  readonly temperature: number;
  readonly latentSize: number;
}

/** `lm vision train`. */
export const visionTrain: Command<Args> = {
  flags: {
    ...flags('Network', {
      method: {
        type: 'choice',
        choices: methods,
        default: 'classify',
        describe:
          'what it learns: classes; or without them, to know a picture again (simclr), to paint what is hidden (mae), to paint from few numbers (vae)',
      },
      arch: {
        type: 'choice',
        alias: 'a',
        choices: imageNetworks,
        default: 'conv_net',
        describe: 'the network, for classify and simclr',
      },
      depth: {
        type: 'number',
        min: 1,
        whole: true,
        describe: 'layers of vgg (16), cifar_resnet (20), resnet and torchvision_resnet (18)',
      },
      config: { type: 'text', describe: 'a config.json in place of --arch' },
      size: {
        type: 'number',
        min: 4,
        max: 2048,
        whole: true,
        describe: 'sides of the pictures; as the network or the data have them unless given',
      },
      grey: { type: 'switch', default: false, describe: 'pictures without colours; so where the data have none' },
      normalize: {
        type: 'choice',
        choices: ['data', 'imagenet', 'half', 'none'],
        default: 'data',
        describe:
          'means and deviations of the channels: measured on the data, ImageNet’s, 0.5 and 0.5, or values from 0 to 1',
      },
      temperature: { type: 'number', above: 0, default: 0.5, describe: 'simclr: similarities are divided by it' },
      'latent-size': {
        type: 'number',
        min: 1,
        whole: true,
        default: 16,
        describe: 'vae: how many numbers a picture becomes',
      },
    }),
    ...visionTrainFlags({ epochs: 10, batchSize: 64 }),
  },
  examples: [
    ['vision train -d train-images-idx3-ubyte.gz --arch lenet --augment affine -o digits', 'LeNet-5 on MNIST'],
    [
      'vision train -d data_batch_1.bin --arch cifar_resnet --optim sgd --lr-scheduler plateau -o cifar',
      'as in the lecture',
    ],
    [
      'vision train -d photos --method simclr --size 32 -o features',
      'features without classes; then lm vision finetune',
    ],
  ],
  async run(a, io) {
    if (!a.data) throw usage('no pictures given', '--data FOLDER');
    const output = runOutput(a.out, a.resume);
    const signal = io.interruptible();
    const sets = await trainingImages(a);
    const shape = await shapeOf(a, sets.train);
    const [height, width] = [shape.size, shape.size];
    const isAsStored =
      sets.train.items.kind === 'packed' && sets.train.items.width === width && sets.train.items.height === height;
    const fit: Transform[] = isAsStored
      ? []
      : [
          { type: 'resize', size: Math.max(height, width) },
          { type: 'centerCrop', size: [height, width] },
        ];
    const normalization = await normalizationFor(a, sets.train, fit, shape.channels);
    try {
      const v = await build(a, { sets, shape, fit, normalization, output, signal, io });
      await runVision(v, a, output, io);
    } finally {
      await output.tidy();
    }
  },
};

// The pixels that the network takes: as asked for, as the network needs, or as the data have them.
async function shapeOf(a: Args, set: ImageSet): Promise<{ size: number; channels: 1 | 3 }> {
  const { items } = set;
  const fixed =
    a.config === undefined && (a.method === 'classify' || a.method === 'simclr') ? fixedShapes[a.arch] : undefined;
  const channels = fixed?.channels ?? (a.grey || (items.kind === 'packed' && items.channels === 1) ? 1 : 3);
  const size =
    a.size ??
    fixed?.size ??
    (items.kind === 'packed'
      ? Math.max(items.width, items.height)
      : a.arch.includes('resnet') || a.arch === 'vit'
        ? 224
        : 64);
  return { size, channels };
}

async function normalizationFor(
  a: Args,
  set: ImageSet,
  transforms: readonly Transform[],
  channels: 1 | 3,
): Promise<Normalization> {
  const all = (value: number): number[] => Array.from({ length: channels }, () => value);
  if (a.method === 'vae' || a.normalize === 'none') return {};
  if (a.normalize === 'half') return { mean: all(0.5), std: all(0.5) };
  const { imageNetNormalization, imageStatistics, takeImages } = await import('@brickwork/vision');
  if (a.normalize === 'imagenet') {
    if (channels === 1) throw usage('--normalize imagenet is for pictures in colour', '--normalize data');
    return imageNetNormalization;
  }
  // A thousand pictures say enough.
  const every = Math.max(1, Math.floor(set.count / 1000));
  const some = takeImages(
    set,
    Array.from({ length: Math.ceil(set.count / every) }, (_, i) => i * every),
  );
  const { mean, std } = await imageStatistics(some, { transforms, channels });
  const round = (x: number): number => Number(x.toFixed(4));
  return { mean: mean.map(round), std: std.map((s) => Math.max(0.01, round(s))) };
}

interface Built {
  readonly sets: { readonly train: ImageSet; readonly validation: ImageSet | null };
  readonly shape: { readonly size: number; readonly channels: 1 | 3 };
  readonly fit: readonly Transform[];
  readonly normalization: Normalization;
  readonly output: ReturnType<typeof runOutput>;
  readonly signal: AbortSignal;
  readonly io: Io;
}

async function build(a: Args, b: Built): Promise<VisionRun> {
  const [vision, training] = await Promise.all([import('@brickwork/vision'), import('@brickwork/training')]);
  const { sets, shape, fit, normalization, output, signal } = b;
  const { train, validation } = sets;
  const { channels, size } = shape;
  const processor = new vision.ImageProcessor({ transforms: fit, normalization, channels });
  const options = visionTrainOptions(a, { images: train.count, run: output.run, signal });
  const seen = visionBatchOptions(a, processor, b.io);
  const named = train.classes.length ? vision.classFields(train.classes) : {};
  const modelOf = (config: Config): ImageModel =>
    vision.ImageModel.fromConfig(config, processor, { seed: a.seed, compile: engineOptions(a) });
  const done = (
    model: ImageModel,
    run: Pick<VisionRun, 'weights' | 'trained' | 'events'>,
    scores?: VisionRun['scores'],
  ): VisionRun => ({
    ...run,
    ...{ steps: options.steps, train, validation, all: model.model.weights },
    ...(scores && { scores }),
    save: () =>
      model
        .withWeights(new Map([...model.model.weights.keys()].map((name) => [name, run.weights.get(name)!])))
        .save(output.out),
  });

  if (a.method === 'classify') {
    if (!train.labels)
      throw usage('the pictures have no classes', '--method simclr, mae or vae; or a folder for each class');
    const model = modelOf({ ...networkConfig(a, shape), ...named });
    const run = vision.trainClassifier(model.model.network, sets, {
      ...options,
      ...seen,
      ...classifierOptions(a),
      transforms: augmentation(a, [size, size], fit),
      weights: model.model.weights,
    });
    return done(model, run, validation ? evaluationScores(model.withWeights(run.weights), validation, a) : undefined);
  }
  if (a.adversarial !== undefined || a.mixup !== undefined || a.cutmix !== undefined)
    throw usage(`--adversarial, --mixup and --cutmix are for --method classify, not ${a.method}`);
  if (a.method === 'simclr') {
    const model = modelOf({ ...networkConfig(a, shape), ...named });
    const { network } = model.model;
    const { logits } = model.classifier.trace([1, channels, size, size]);
    const wrapped = new vision.SimCLR(network, vision.lastHidden(logits).shape[1] as number, {
      temperature: a.temperature,
    });
    const transforms = [...fit, ...vision.simCLRTransforms(size)];
    const data = vision.imageBatches(train, { ...seen, transforms, views: 2 });
    const held =
      validation &&
      vision.imageBatches(validation, {
        ...seen,
        batchSize: Math.min(a.batchSize, validation.count),
        transforms,
        views: 2,
      });
    const run = training.trainNetwork(
      wrapped,
      {
        batch: (n) => data.batch(n),
        validation: () => (held ? firstBatches(held) : []),
        async close() {
          await data.close();
          await held?.close();
        },
      },
      { ...options, weights: model.model.weights, trains: wrapped.trains(), identity: data.identity },
    );
    return done(model, run);
  }
  const isMAE = a.method === 'mae';
  const model = modelOf(
    isMAE
      ? {
          ...{ model_type: 'vit_mae', ...smallViT(shape), decoder_hidden_size: 96, decoder_num_hidden_layers: 2 },
          ...{ decoder_num_attention_heads: 3, decoder_intermediate_size: 384, norm_pix_loss: true },
        }
      : { model_type: 'conv_vae', image_size: size, num_channels: channels, latent_size: a.latentSize },
  );
  const { network } = model.model;
  const data = vision.imageBatches(train, {
    ...seen,
    transforms: augmentation(a, [size, size], fit),
    validation,
    inputs: vision.noiseInputs(network, isMAE ? 'uniform' : 'normal'),
  });
  const run = training.trainNetwork(network, data, {
    ...options,
    weights: model.model.weights,
    identity: data.identity,
  });
  return done(model, run);
}

type Batches = ReturnType<typeof import('@brickwork/vision').imageBatches>;

// One epoch of the held-out pictures' first versions, which are always the same.
async function* firstBatches(held: Batches): AsyncGenerator<Awaited<ReturnType<Batches['batch']>>, void, void> {
  for (let n = 0; n < held.perEpoch; n++) yield held.batch(n);
}
