// What lm vision train and lm vision finetune share: data, augmentation, optimizer, run.
import type { OptimizerName } from '@brickwork/training';
import type { ImageBatchesOptions, Transform } from '@brickwork/vision';
import { engineFlags, type EngineArgs } from './engine-flags.ts';
import { usage } from './errors.ts';
import { flags } from './flags.ts';
import {
  commonFlags,
  optimizerFlags,
  runFlags,
  schedulers,
  type OptimizerArgs,
  type Scheduler,
} from './optimizer-flags.ts';
import { imageDataFlags, type ImageDataArgs } from './vision-data.ts';

/** Ways to change pictures while training. */
export const augmentations = ['none', 'flip', 'crop', 'affine', 'photo', 'strong'] as const;

/** What the flags hold. */
export interface VisionTrainArgs extends EngineArgs, OptimizerArgs, ImageDataArgs {
  readonly validationData?: readonly string[];
  readonly validationSplit: number;
  readonly augment: (typeof augmentations)[number];
  readonly cutout?: number;
  readonly mixup?: number;
  readonly cutmix?: number;
  readonly out: string;
  readonly learningRate?: number;
  readonly numTrainEpochs: number;
  readonly maxSteps?: number;
  readonly batchSize: number;
  readonly gradientAccumulationSteps: number;
  readonly warmupRatio: number;
  readonly weightDecay: number;
  readonly maxGradNorm: number;
  readonly lrSchedulerType: Scheduler;
  readonly optim: OptimizerName;
  readonly adversarial?: number;
  readonly seed: number;
  readonly evalSteps?: number;
  readonly saveSteps?: number;
  readonly keepBest: boolean;
  readonly resume: boolean;
  readonly picture: boolean;
  readonly json: boolean;
}

const positive = { type: 'number', min: 1, whole: true } as const;

/** The flags. */
export const visionTrainFlags = (usual: {
  readonly epochs: number;
  readonly batchSize: number;
}): ReturnType<typeof flags> => ({
  ...imageDataFlags,
  ...flags('Data', {
    'validation-data': { type: 'texts', describe: 'held-out pictures, in the same form as --data' },
    'validation-split': {
      type: 'number',
      min: 0,
      below: 1,
      default: 0.1,
      describe: 'share of each class to hold out, where there are none',
    },
    augment: {
      type: 'choice',
      choices: augmentations,
      default: 'crop',
      describe:
        'how pictures are changed: flip; crop, moved by an eighth and flipped; affine, turned and moved but not flipped, for digits and letters; photo, random parts and flips; strong, photo with colours and lighting',
    },
    cutout: { ...positive, describe: 'also covers a square of so many pixels' },
    mixup: { type: 'number', above: 0, describe: 'blends pictures and their classes; alpha, such as 0.2' },
    cutmix: { type: 'number', above: 0, describe: 'puts a part of a picture into another; alpha, such as 1' },
  }),
  ...flags('Training', {
    ...commonFlags,
    'learning-rate': {
      type: 'number',
      alias: 'lr',
      above: 0,
      describe: 'step size at its highest; by the optimizer unless given',
    },
    'num-train-epochs': {
      type: 'number',
      alias: 'epochs',
      above: 0,
      default: usual.epochs,
      describe: 'times through the data',
    },
    'batch-size': { ...positive, alias: 'b', default: usual.batchSize, describe: 'pictures in a batch' },
    'warmup-ratio': {
      type: 'number',
      min: 0,
      max: 1,
      default: 0.05,
      describe: 'share of the updates over which the step size rises',
    },
    'lr-scheduler-type': {
      type: 'choice',
      alias: 'lr-scheduler',
      choices: schedulers,
      default: 'cosine',
      describe: 'how the step size changes; plateau halves it when validation stops improving',
    },
    'weight-decay': { type: 'number', min: 0, default: 5e-4, describe: 'decay of filters and matrices' },
    adversarial: {
      type: 'number',
      above: 0,
      max: 1,
      describe: 'half of each batch is changed against the network as it learns, by FGSM of this epsilon',
    },
  }),
  ...optimizerFlags,
  ...flags('Run', runFlags),
  ...engineFlags,
});

/** What happens to pictures of `height` by `width` pixels while training, after `before`. */
export function augmentation(
  a: Pick<VisionTrainArgs, 'augment' | 'cutout'>,
  [height, width]: readonly [number, number],
  before: readonly Transform[],
): Transform[] {
  const size = [height, width] as const;
  const cut: Transform[] = a.cutout === undefined ? [] : [{ type: 'cutout', size: a.cutout }];
  const flip: Transform = { type: 'flip' };
  switch (a.augment) {
    case 'none':
      return [...before, ...cut];
    case 'flip':
      return [...before, flip, ...cut];
    case 'crop':
      return [
        ...before,
        { type: 'randomCrop', size, padding: Math.max(1, Math.round(Math.min(height, width) / 8)) },
        flip,
        ...cut,
      ];
    case 'affine':
      return [...before, { type: 'affine', degrees: 10, translate: [0.07, 0.07], scale: [0.9, 1.1], shear: 6 }, ...cut];
    case 'photo':
      return [{ type: 'randomResizedCrop', size, scale: [0.25, 1] }, flip, ...cut];
    case 'strong':
      return [
        { type: 'randomResizedCrop', size },
        flip,
        { type: 'colorJitter', brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.05, probability: 0.8 },
        { type: 'lighting' },
        ...cut,
      ];
  }
}

/** How batches are mixed. @throws where two ways were asked for. */
export function mixOf(a: Pick<VisionTrainArgs, 'mixup' | 'cutmix'>): Pick<ImageBatchesOptions, 'mix'> {
  if (a.mixup !== undefined && a.cutmix !== undefined) throw usage('--mixup and --cutmix', 'one of them');
  if (a.mixup !== undefined) return { mix: { kind: 'mixup', alpha: a.mixup } };
  return a.cutmix === undefined ? {} : { mix: { kind: 'cutmix', alpha: a.cutmix } };
}
