// The flags of lm finetune, with the names of Hugging Face's TrainingArguments.
import type { OptimizerName } from '@brickwork/training';
import { dataFlags, taskFlag, type DataArgs } from './data-flags.ts';
import { engineFlags, type EngineArgs } from './engine-flags.ts';
import { flags } from './flags.ts';
import { methodFlags, type MethodArgs } from './method-flags.ts';
import { modelFlags, type ModelArgs } from './open-model.ts';
import {
  commonFlags,
  optimizerFlags,
  runFlags,
  schedulers,
  type OptimizerArgs,
  type Scheduler,
} from './optimizer-flags.ts';
import type { TaskName } from './task-names.ts';

/** What the flags hold. */
export interface FinetuneArgs extends DataArgs, EngineArgs, MethodArgs, ModelArgs, OptimizerArgs {
  readonly config?: string;
  readonly task?: TaskName;
  readonly validationData?: readonly string[];
  readonly validationSplit: number;
  readonly cache?: string;
  readonly packing: boolean;
  readonly out: string;
  readonly learningRate?: number;
  readonly numTrainEpochs: number;
  readonly maxSteps?: number;
  readonly perDeviceTrainBatchSize: number;
  readonly perDeviceEvalBatchSize?: number;
  readonly gradientAccumulationSteps: number;
  readonly warmupSteps: number;
  readonly warmupRatio: number;
  readonly weightDecay: number;
  readonly adamBeta1: number;
  readonly adamBeta2: number;
  readonly maxGradNorm: number;
  readonly lrSchedulerType: Scheduler;
  readonly minLr?: number;
  readonly optim: OptimizerName;
  readonly groupByLength: boolean;
  readonly autoFindBatchSize: boolean;
  readonly findLearningRate: boolean;
  readonly seed: number;
  readonly evalSteps?: number;
  readonly saveSteps?: number;
  readonly keepBest: boolean;
  readonly resume: boolean;
  readonly picture: boolean;
  readonly json: boolean;
}

const positive = { type: 'number', min: 1, whole: true } as const;

/** All flags of the command, with their defaults. */
export const finetuneFlags: ReturnType<typeof flags> = {
  ...modelFlags(),
  ...flags('Model', { task: { ...taskFlag, alias: 'T' } }),
  ...dataFlags,
  ...flags('Data', {
    'validation-data': { type: 'texts', alias: 'validation-file', describe: 'held-out examples in files of their own' },
    'validation-split': {
      type: 'number',
      min: 0,
      below: 1,
      default: 0.1,
      describe: 'share of the rows to hold out, where there are no such files',
    },
    cache: {
      type: 'text',
      describe: 'folder for encoded examples, which later runs find again; in the run’s folder unless given',
    },
    packing: {
      type: 'switch',
      default: false,
      describe: 'clm: several texts in a row of --max-length, each of which sees itself alone; less padding',
    },
  }),
  ...methodFlags,
  ...flags('Training', {
    ...commonFlags,
    'learning-rate': {
      type: 'number',
      alias: 'lr',
      above: 0,
      describe: 'step size at its highest; 5e-5 for full and last:N, 1e-3 for the others unless given',
    },
    'num-train-epochs': { type: 'number', alias: 'epochs', above: 0, default: 3, describe: 'times through the data' },
    'per-device-train-batch-size': {
      ...positive,
      alias: ['batch-size', 'b'],
      default: 8,
      describe: 'examples in a batch',
    },
    'per-device-eval-batch-size': {
      ...positive,
      describe: 'examples at a time in scores; as for training unless given',
    },
    'warmup-steps': {
      type: 'number',
      min: 0,
      whole: true,
      default: 0,
      describe: 'updates over which the step size rises',
    },
    'warmup-ratio': { type: 'number', min: 0, max: 1, default: 0, describe: 'the same, as a share of all updates' },
    'lr-scheduler-type': {
      type: 'choice',
      alias: 'lr-scheduler',
      choices: schedulers,
      default: 'linear',
      describe: 'how the step size changes; plateau halves it when validation stops improving',
    },
    'min-lr': {
      type: 'number',
      min: 0,
      max: 1,
      describe: 'share of the step size that is left at the end, where it falls; 0 unless given',
    },
    'weight-decay': { type: 'number', min: 0, default: 0, describe: 'decay of matrices' },
    'adam-beta1': { type: 'number', min: 0, below: 1, default: 0.9, describe: 'AdamW’s first decay rate' },
    'adam-beta2': { type: 'number', min: 0, below: 1, default: 0.999, describe: 'AdamW’s second decay rate' },
    'group-by-length': { type: 'switch', default: true, describe: 'texts of similar length into one batch' },
    'auto-find-batch-size': {
      type: 'switch',
      default: false,
      describe: 'smaller batches, more of them in an update, where those asked for don’t fit in memory',
    },
  }),
  ...optimizerFlags,
  ...flags('Run', {
    ...runFlags,
    out: { ...runFlags.out, describe: 'folder for the model or the adapter; metrics and checkpoints go to OUT.run' },
    'find-learning-rate': {
      type: 'switch',
      default: false,
      describe: 'trains nothing: tries step sizes, suggests one, and draws their losses to OUT.learning-rate.png',
    },
  }),
  ...engineFlags,
};
