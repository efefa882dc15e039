// The flags of lm pretrain, with Hugging Face's names where it has some.
import type { OptimizerName } from '@brickwork/training';
import { engineFlags, type EngineArgs } from './engine-flags.ts';
import { usage } from './errors.ts';
import { flags } from './flags.ts';
import {
  commonFlags,
  optimizerFlags,
  optimizers,
  runFlags,
  schedulers,
  type OptimizerArgs,
  type Scheduler,
} from './optimizer-flags.ts';

/** What the flags hold. */
export interface PretrainArgs extends EngineArgs, OptimizerArgs {
  readonly files: readonly string[];
  readonly out: string;
  readonly tokenizer: string;
  readonly vocabSize?: number;
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
  readonly context: number;
  readonly dropout: number;
  readonly maxSteps: number;
  readonly batchSize: number;
  readonly gradientAccumulation: number;
  readonly learningRate: number;
  readonly lrScheduler: Scheduler;
  readonly warmupSteps: number;
  readonly minLr: number;
  readonly optimizer: OptimizerName;
  readonly weightDecay: number;
  readonly beta2: number;
  readonly maxGradNorm: number;
  readonly sampling: 'random' | 'shuffle';
  readonly validation: number;
  readonly seed: number;
  readonly resume: boolean;
  readonly evalSteps: number;
  readonly saveSteps?: number;
  readonly keepBest: boolean;
  readonly picture: boolean;
  readonly json: boolean;
}

const positive = { type: 'number', min: 1, whole: true } as const;

/** All flags of the command. */
export const pretrainFlags: ReturnType<typeof flags> = {
  ...flags('Model', {
    tokenizer: {
      type: 'text',
      default: 'char',
      describe: 'char, bpe or wordpiece, trained on the text, or a folder with a tokenizer.json',
    },
    'vocab-size': { ...positive, describe: `tokens of a trained vocabulary; for bpe and wordpiece 4096 unless given` },
    layers: { ...positive, default: 4, describe: 'blocks' },
    heads: { ...positive, default: 4, describe: 'attention heads of a block' },
    width: { ...positive, default: 128, describe: 'width of a token’s vector' },
    context: { ...positive, alias: 'c', default: 64, describe: 'tokens that the model sees' },
    dropout: { type: 'number', min: 0, max: 0.99, default: 0, describe: 'share of values dropped while training' },
  }),
  ...flags('Training', {
    'max-steps': { ...positive, default: 2000, describe: 'updates' },
    'batch-size': {
      ...positive,
      alias: ['b', 'per-device-train-batch-size'],
      default: 12,
      describe: 'windows of text in a batch',
    },
    'gradient-accumulation': {
      ...positive,
      alias: 'gradient-accumulation-steps',
      default: 1,
      describe: 'batches in an update',
    },
    'learning-rate': { type: 'number', alias: 'lr', above: 0, default: 3e-3, describe: 'step size at its highest' },
    'lr-scheduler': {
      type: 'choice',
      alias: 'lr-scheduler-type',
      choices: schedulers,
      default: 'cosine',
      describe: 'how the step size falls (plateau halves it when validation stops improving)',
    },
    'warmup-steps': {
      type: 'number',
      min: 0,
      whole: true,
      default: 100,
      describe: 'updates over which the step size rises',
    },
    'min-lr': { type: 'number', min: 0, max: 1, default: 0.1, describe: 'share of the step size at the end' },
    optimizer: {
      type: 'choice',
      alias: 'optim',
      choices: optimizers,
      default: 'adamw',
      describe: 'how weights are updated',
    },
    'weight-decay': { type: 'number', min: 0, default: 0.1, describe: 'decay of matrices' },
    beta2: {
      type: 'number',
      alias: 'adam-beta2',
      min: 0,
      max: 0.99999,
      default: 0.99,
      describe: 'AdamW’s second decay rate',
    },
    'max-grad-norm': commonFlags['max-grad-norm'],
    sampling: {
      type: 'choice',
      choices: ['random', 'shuffle'],
      default: 'random',
      describe: 'windows at random places, or each once an epoch',
    },
    validation: {
      type: 'number',
      alias: 'validation-split',
      min: 0,
      max: 0.9,
      default: 0.1,
      describe: 'last share of the text, held out',
    },
    seed: { ...commonFlags.seed, default: 1337 },
  }),
  ...optimizerFlags,
  ...flags('Run', {
    ...runFlags,
    resume: { ...runFlags.resume, describe: 'go on from the last checkpoint in OUT.run, or begin where there is none' },
    'eval-steps': { ...runFlags['eval-steps'], default: 250, describe: 'updates between evaluations' },
    'keep-best': {
      ...runFlags['keep-best'],
      describe: 'the model has the weights with the lowest validation loss; --no-keep-best: the last',
    },
  }),
  ...engineFlags,
};

/** @throws where flags contradict each other. */
export function checkPretrainArgs({ width, heads, tokenizer, vocabSize }: PretrainArgs): void {
  if (width % heads)
    throw usage(
      `--width ${width} doesn’t divide into --heads ${heads}`,
      `--width ${Math.ceil(width / heads) * heads}, or another number of heads`,
    );
  if (vocabSize !== undefined && !['char', 'bpe', 'wordpiece'].includes(tokenizer))
    throw usage(
      `--vocab-size is for a vocabulary that is trained, and --tokenizer ${tokenizer} has one already`,
      'leave --vocab-size out',
    );
}
