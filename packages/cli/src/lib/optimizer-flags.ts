// Flags of training that lm finetune and lm pretrain share: how weights are updated, and how the step size changes.
import process from 'node:process';
import type { OptimizerName, OptimizerOptions, ScheduleName, TrainOptions } from '@brickwork/training';
import { flags, type ChoiceFlag, type NumberFlag, type SwitchFlag, type TextFlag } from './flags.ts';

/** What the flags hold. */
export interface OptimizerArgs {
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly scaleParameter: boolean;
  readonly relativeStep: boolean;
  readonly weightDecayExcept?: string;
  readonly layerWiseLrDecay?: number;
  readonly emaDecay?: number;
  readonly labelSmoothingFactor: number;
  readonly lrPower?: number;
  readonly lrCycles?: number;
  readonly lrStepSize?: number;
  readonly lrGamma?: number;
  readonly lrDecaySteps?: number;
  readonly earlyStoppingPatience?: number;
  readonly earlyStoppingThreshold: number;
  readonly gradientCheckpointing: boolean;
  readonly reportTo: 'none' | 'tensorboard';
}

/** The names that --optim takes. */
export const optimizers: readonly OptimizerName[] = ['adamw', 'sgd', 'adafactor', 'lion', 'muon'];
/** The names that --lr-scheduler-type takes: Hugging Face's and the library's. */
export const schedulers = [
  'linear',
  'cosine',
  'cosine_with_restarts',
  'polynomial',
  'constant',
  'constant_with_warmup',
  'inverse_sqrt',
  'reduce_lr_on_plateau',
  'plateau',
  'warmup_stable_decay',
  'step',
  'one_cycle',
] as const;
/** One of {@link schedulers}. */
export type Scheduler = (typeof schedulers)[number];

const positive = { type: 'number', min: 1, whole: true } as const;

/** Flags that mean the same in every training command; some commands have other defaults or words for one of them. */
export const commonFlags: Readonly<
  Record<'max-steps' | 'gradient-accumulation-steps' | 'max-grad-norm' | 'seed', NumberFlag> &
    Record<'optim', ChoiceFlag>
> = {
  'max-steps': { ...positive, describe: 'updates, in place of epochs' },
  'gradient-accumulation-steps': { ...positive, default: 1, describe: 'batches in an update' },
  optim: {
    type: 'choice',
    alias: 'optimizer',
    choices: optimizers,
    default: 'adamw',
    describe: 'how weights are updated',
  },
  'max-grad-norm': {
    type: 'number',
    min: 0,
    default: 1,
    describe: 'longer gradients are scaled down to it; 0 for never',
  },
  seed: { type: 'number', alias: 's', min: 0, whole: true, default: 42, describe: 'decides every random choice' },
};

/** Flags of a run that leaves a model in a folder. */
export const runFlags: Readonly<
  Record<'out', TextFlag> &
    Record<'resume' | 'keep-best' | 'picture' | 'json', SwitchFlag> &
    Record<'eval-steps' | 'save-steps', NumberFlag>
> = {
  out: {
    type: 'text',
    alias: ['o', 'output-dir'],
    required: true,
    describe: 'folder for the model; metrics and checkpoints go to OUT.run',
  },
  resume: { type: 'switch', default: false, describe: 'go on from the last checkpoint in OUT.run, or begin' },
  'eval-steps': { ...positive, describe: 'updates between evaluations; an epoch’s unless given' },
  'save-steps': { ...positive, describe: 'updates between checkpoints; those of evaluations unless given' },
  'keep-best': {
    type: 'switch',
    default: true,
    describe: 'what is written has the lowest validation loss; --no-keep-best: the last weights',
  },
  picture: { type: 'switch', default: true, describe: 'draw the losses when the run ends' },
  json: { type: 'switch', default: false, describe: 'a line of JSON for each event on stdout' },
};

/** The flags, with their defaults. */
export const optimizerFlags: ReturnType<typeof flags> = flags('Training', {
  momentum: { type: 'number', min: 0, below: 1, default: 0.9, describe: 'SGD’s' },
  nesterov: { type: 'switch', default: false, describe: 'SGD: looks ahead along the momentum' },
  'scale-parameter': { type: 'switch', default: false, describe: 'Adafactor: steps relative to a parameter’s size' },
  'relative-step': { type: 'switch', default: false, describe: 'Adafactor: the paper’s schedule, times the step size' },
  'weight-decay-except': {
    type: 'text',
    describe: 'parameters that don’t decay: parts of names, with commas; biases and norms never do',
  },
  'layer-wise-lr-decay': {
    type: 'number',
    alias: 'layerwise-lr-decay',
    above: 0,
    max: 1,
    describe: 'each block’s share of the step size of the one above it',
  },
  'ema-decay': {
    type: 'number',
    above: 0,
    below: 1,
    describe: 'a moving average of the weights is what is evaluated and written',
  },
  'label-smoothing-factor': {
    type: 'number',
    min: 0,
    below: 1,
    default: 0,
    describe: 'share of the target spread over all classes or tokens, in training; classification, clm, seq2seq',
  },
  'lr-power': { type: 'number', above: 0, describe: 'polynomial: the exponent, 1 unless given' },
  'lr-cycles': { ...positive, describe: 'cosine_with_restarts: how often it falls, 1 unless given' },
  'lr-step-size': { ...positive, describe: 'step: updates until it falls, a third of all unless given' },
  'lr-gamma': { type: 'number', above: 0, max: 1, describe: 'step: what it is multiplied by, 0.1 unless given' },
  'lr-decay-steps': { ...positive, describe: 'warmup_stable_decay: updates of its end, a tenth of all unless given' },
  'early-stopping-patience': { ...positive, describe: 'ends after so many evaluations that are no better' },
  'gradient-checkpointing': {
    type: 'switch',
    default: false,
    describe: 'compute activations once more in place of keeping them: less memory, a third more time',
  },
  'report-to': {
    type: 'choice',
    choices: ['none', 'tensorboard'],
    default: 'none',
    describe: 'also writes the curves to OUT.run for TensorBoard',
  },
  'early-stopping-threshold': { type: 'number', min: 0, default: 0, describe: 'how much better counts, in nats' },
});

/** The loop's schedule of a flag's name. */
export const scheduleOf = (name: Scheduler): ScheduleName =>
  name === 'constant_with_warmup' ? 'constant' : name === 'reduce_lr_on_plateau' ? 'plateau' : name;

/** The library's options of the flags. */
export function optimizerOptions(
  a: OptimizerArgs,
  optimizer: OptimizerName,
): OptimizerOptions & Partial<TrainOptions> & { readonly recompute: boolean } {
  const given = {
    layerDecay: a.layerWiseLrDecay,
    ema: a.emaDecay,
    power: a.lrPower,
    cycles: a.lrCycles,
    stepEvery: a.lrStepSize,
    gamma: a.lrGamma,
    decaySteps: a.lrDecaySteps,
    earlyStopping: a.earlyStoppingPatience,
    noDecay: a.weightDecayExcept
      ?.split(',')
      .map((part) => part.trim())
      .filter(Boolean),
  };
  return {
    optimizer,
    // Muon has a usual momentum of its own.
    ...(optimizer === 'sgd' && { momentum: a.momentum, nesterov: a.nesterov }),
    ...(optimizer === 'adafactor' && { scaleParameter: a.scaleParameter, relativeStep: a.relativeStep }),
    earlyStoppingThreshold: a.earlyStoppingThreshold,
    recompute: a.gradientCheckpointing,
    ...(a.reportTo === 'tensorboard' && { tensorBoard: true }),
    settings: { command: ['lm', ...process.argv.slice(2)] },
    ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<TrainOptions>),
  };
}
