// A run of training on pictures: what it tells on the way, and what it leaves.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import type { NetworkTraining, TrainNetworkOptions } from '@brickwork/training';
import type { HostTensor } from '@brickwork/runtime';
import type { ImageSet } from '@brickwork/vision';
import { engineOptions } from './engine-flags.ts';
import type { Io } from './io.ts';
import { optimizerOptions, scheduleOf } from './optimizer-flags.ts';
import { bytes, count } from './progress.ts';
import type { RunOutput } from './run-output.ts';
import { scoreText } from './show-scores.ts';
import type { Scores } from './scores.ts';
import { readImageData } from './vision-data.ts';
import type { VisionTrainArgs } from './vision-train-flags.ts';

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

/** The library's options of the flags, but for how many steps. */
export function visionTrainOptions(
  a: VisionTrainArgs,
  {
    steps,
    run,
    signal,
    rateShare = 1,
  }: { readonly steps: number; readonly run: string; readonly signal: AbortSignal; readonly rateShare?: number },
): Omit<TrainNetworkOptions, 'steps'> {
  return {
    rate: a.learningRate ?? usualRates[a.optim] * rateShare,
    schedule: scheduleOf(a.lrSchedulerType),
    warmup: Math.ceil(a.warmupRatio * steps),
    clip: a.maxGradNorm,
    accumulate: a.gradientAccumulationSteps,
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
export async function runVision(v: VisionRun, a: VisionTrainArgs, { out, run }: RunOutput, io: Io): Promise<void> {
  const { progressLine } = await import('@brickwork/training');
  const line = progressLine({ steps: v.steps, unit: 'pictures', stream: io.stderr });
  const tell = async (event: object): Promise<void> => (a.json ? await io.writeJson(event) : undefined);
  const note = (text: string): void => {
    line.clear();
    io.note(text);
  };
  const save = async (step: number): Promise<void> => {
    await v.save();
    await tell({ type: 'saved', step, path: out });
  };
  const keepsBest = a.keepBest && v.validation !== null;
  const trained = v.trained.reduce((sum, name) => sum + v.weights.get(name)!.data.length, 0);
  const all = [...v.all.values()].reduce((sum, { data }) => sum + data.length, 0);
  for await (const event of v.events) {
    if (event.type === 'start') {
      await tell({ ...event, parameters: all, trained, train: v.train.count, validation: v.validation?.count ?? 0 });
      note(
        `${count(trained)} of ${count(all)} values are trained; ${count(v.train.count)} pictures to train on, ${count(v.validation?.count ?? 0)} held out${v.train.classes.length ? `, ${v.train.classes.length} classes` : ''}; ${count(v.steps)} steps${event.step ? `, going on from step ${event.step}` : ''}`,
      );
    } else if (event.type === 'evaluation') {
      const scores: Scores = { loss: event.loss, ...(await v.scores?.()) };
      const { weights: _, lossPerCharacter: __, ...plain } = event;
      await tell({ ...plain, scores });
      note(`step ${event.step}: validation ${scoreText(scores)}${event.best ? ', the best so far' : ''}`);
      if (event.best && keepsBest) await save(event.step);
    } else if (event.type === 'end') {
      if (event.aborted) {
        await tell(event);
        return note(
          event.step
            ? `Stopped after step ${event.step}; the checkpoint is in ${run}. To go on: the same command with --resume`
            : 'Stopped before the first step; nothing was written.',
        );
      }
      if (event.stoppedEarly) note(`stopped early, after step ${event.step}: validation got no better`);
      if (!keepsBest || !existsSync(join(out, 'config.json'))) await save(event.step);
      const peak = process.resourceUsage().maxRSS * 1024;
      note(`memory: ${bytes(peak)} at its peak`);
      if (!a.json) await io.write(`${out}\n`);
      await tell({ ...event, peakMemory: peak });
    } else {
      await tell(event);
      if (event.type === 'step') line.show(event);
      else if (event.type === 'picture') note(`losses: ${event.path}`);
      else if (event.type === 'warning') note(event.message);
    }
  }
  line.clear();
}
