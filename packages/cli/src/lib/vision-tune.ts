// A run of training on pictures: what it tells on the way, and what it leaves.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { NetworkTraining, TrainNetworkOptions } from '@brickwork/training';
import type { HostTensor } from '@brickwork/runtime';
import type { ImageBatchesOptions, ImageProcessor, ImageSet, TrainClassifierOptions } from '@brickwork/vision';
import { engineOptions } from './engine-flags.ts';
import type { Io } from './io.ts';
import { optimizerOptions, scheduleOf } from './optimizer-flags.ts';
import { count } from './progress.ts';
import type { RunOutput } from './run-output.ts';
import { scoreText } from './show-scores.ts';
import type { Scores } from './scores.ts';
import { readImageData } from './vision-data.ts';
import { tellRun } from './tell-run.ts';
import { mixOf, type VisionTrainArgs } from './vision-train-flags.ts';

/** Pictures to train on, and those held out. */
export async function trainingImages(
  a: VisionTrainArgs,
  classes?: readonly string[],
): Promise<{ readonly train: ImageSet; readonly validation: ImageSet | null }> {
  const all = await readImageData(a, { classes });
  if (a.validationData)
    return { train: all, validation: await readImageData(a, { classes: all.classes, paths: a.validationData }) };
  if (!a.validationSplit) return { train: all, validation: null };
  const [{ splitImages }, { permutation }] = await Promise.all([
    import('@brickwork/vision'),
    import('@brickwork/training'),
  ]);
  // The same for every seed: runs can be compared.
  return splitImages(all, { share: a.validationSplit, order: permutation(all.count, 1) });
}

const usualRates = { adamw: 2e-3, sgd: 0.05, adafactor: 2e-3, lion: 3e-4, muon: 0.02 } as const;

/** The library's options of the flags. */
export function visionTrainOptions(
  a: VisionTrainArgs,
  {
    images,
    run,
    signal,
    rateShare = 1,
  }: { readonly images: number; readonly run: string; readonly signal: AbortSignal; readonly rateShare?: number },
): TrainNetworkOptions {
  const batches = Math.ceil(images / a.batchSize);
  const accumulate = a.gradientAccumulationSteps;
  const steps = a.maxSteps ?? Math.max(1, Math.round((batches * a.numTrainEpochs) / accumulate));
  return {
    steps,
    evaluateEvery: Math.min(a.evalSteps ?? Math.max(1, Math.ceil(batches / accumulate)), steps),
    rate: a.learningRate ?? usualRates[a.optim] * rateShare,
    schedule: scheduleOf(a.lrSchedulerType),
    warmup: Math.ceil(a.warmupRatio * steps),
    clip: a.maxGradNorm,
    accumulate,
    ...optimizerOptions(a, a.optim),
    weightDecay: a.weightDecay,
    ...(a.saveSteps !== undefined && { saveEvery: a.saveSteps }),
    seed: a.seed,
    folder: run,
    resume: a.resume,
    picture: a.picture,
    signal,
    compile: engineOptions(a),
  };
}

/** The options of batches. */
export function visionBatchOptions(
  a: VisionTrainArgs,
  processor: ImageProcessor,
  io: Io,
): Pick<
  ImageBatchesOptions,
  'batchSize' | 'evaluation' | 'normalization' | 'channels' | 'seed' | 'workers' | 'onBroken'
> {
  const { transforms: evaluation, normalization, channels } = processor;
  return {
    ...{ batchSize: a.batchSize, evaluation, normalization, channels, seed: a.seed },
    ...(a.workers !== undefined && { workers: a.workers }),
    ...(a.skipBroken && { onBroken: (message: string) => io.note(message) }),
  };
}

/** What only classifiers are trained with. */
export const classifierOptions = (
  a: VisionTrainArgs,
): Pick<TrainClassifierOptions, 'labelSmoothing' | 'mix' | 'adversarial'> => ({
  labelSmoothing: a.labelSmoothingFactor,
  ...mixOf(a),
  ...(a.adversarial !== undefined && { adversarial: { epsilon: a.adversarial } }),
});

/** What is trained, and what becomes of it. */
export interface VisionRun extends NetworkTraining {
  readonly steps: number;
  readonly all: ReadonlyMap<string, HostTensor>;
  readonly train: ImageSet;
  readonly validation: ImageSet | null;
  /** What the weights are worth now, besides their loss. */
  readonly scores?: () => Promise<Scores>;
  /** Writes the model with the weights as they are now. */
  readonly save: () => Promise<void>;
}

/** Goes through a run, telling what happens, and leaves the best or the last weights in the folder `out`. */
export async function runVision(v: VisionRun, a: VisionTrainArgs, output: RunOutput, io: Io): Promise<void> {
  const { out } = output;
  const { tell, note, other, end } = await tellRun(io, { steps: v.steps, unit: 'pictures', json: a.json, output });
  const save = async (step: number): Promise<void> => {
    await v.save();
    await tell({ type: 'saved', step, path: out });
  };
  const keepsBest = a.keepBest && v.validation !== null;
  const sum = (tensors: Iterable<HostTensor>): number =>
    Array.from(tensors).reduce((n, { data }) => n + data.length, 0);
  const trained = sum(v.trained.map((name) => v.weights.get(name)!));
  const all = sum(v.all.values());
  const held = v.validation?.count ?? 0;
  for await (const event of v.events) {
    if (event.type === 'start') {
      await tell({ ...event, parameters: all, trained, train: v.train.count, validation: held });
      note(
        `${count(trained)} of ${count(all)} values are trained; ${count(v.train.count)} pictures to train on, ${count(held)} held out${v.train.classes.length ? `, ${v.train.classes.length} classes` : ''}; ${count(v.steps)} steps${event.step ? `, going on from step ${event.step}` : ''}`,
      );
    } else if (event.type === 'evaluation') {
      const scores: Scores = { loss: event.loss, ...(await v.scores?.()) };
      const { weights: _, lossPerCharacter: __, ...plain } = event;
      await tell({ ...plain, scores });
      note(`step ${event.step}: validation ${scoreText(scores)}${event.best ? ', the best so far' : ''}`);
      if (event.best && keepsBest) await save(event.step);
    } else if (event.type === 'end') {
      const isSaved = keepsBest && existsSync(join(out, 'config.json'));
      await end(event, async () => (isSaved ? undefined : await save(event.step)), out);
    } else await other(event);
  }
}
