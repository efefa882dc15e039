// A run of fine-tuning, from prepared data to a folder: what it tells on the way, and what it leaves.
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { HostTensor } from '@brickwork/runtime';
import type { Tokenizer } from '@brickwork/tokenizer';
import type { FineTuning, MemoryEstimate, Method, Objective, PreparedData, Task } from '@brickwork/training';
import type { Model } from '@brickwork/transformer';
import { engineOptions } from './engine-flags.ts';
import { usage } from './errors.ts';
import type { FinetuneArgs } from './finetune-flags.ts';
import type { Io } from './io.ts';
import type { Classes } from './make-task.ts';
import { measure } from './measure.ts';
import { optimizerOptions, scheduleOf } from './optimizer-flags.ts';
import { count, memoryText, ProgressLine } from './progress.ts';
import type { RunOutput } from './run-output.ts';
import { saveTuned } from './save-tuned.ts';
import type { Scores } from './scores.ts';
import { scoreText } from './show-scores.ts';
import type { TaskName } from './task-names.ts';
import { writeDrawing } from './write-drawing.ts';
import { tellRun } from './tell-run.ts';

/** What is trained, on what. */
export interface ToTune {
  readonly name: TaskName;
  readonly task: Task;
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly classes: Classes | null;
  readonly method: Method;
  readonly data: PreparedData;
  /** The tokenizer's files, where the model has no folder of its own. */
  readonly files?: Readonly<Record<string, string>>;
}

const isSlow = (method: Method): boolean =>
  method === 'full' || (typeof method === 'object' && ('last' in method || 'gradual' in method));

/**
 * Trains what was made ready, telling what happens, and leaves the best or the last weights in the folder `out`.
 */
export async function tune(p: ToTune, a: FinetuneArgs, output: RunOutput, signal: AbortSignal, io: Io): Promise<void> {
  const [training, { readSafetensors }] = await Promise.all([
    import('@brickwork/training'),
    import('@brickwork/runtime'),
  ]);
  const { data, task, name } = p;
  const { out, run } = output;
  const tuning = new training.FineTuning(p.model, { method: p.method, seed: a.seed });
  const objective = smoothed(name, a.labelSmoothingFactor, training);
  const memory = (size: number): MemoryEstimate =>
    tuning.estimateMemory(data.train, {
      task,
      batchSize: size,
      steps: 1,
      accumulate: a.gradientAccumulationSteps,
      ...optimizerOptions(a, a.optim),
      ...(objective && { objective }),
    });
  const { batchSize, accumulate } = a.autoFindBatchSize
    ? smallerBatches(a, training.findBatchSize(memory, { most: a.perDeviceTrainBatchSize }).batchSize)
    : { batchSize: a.perDeviceTrainBatchSize, accumulate: a.gradientAccumulationSteps };
  const estimate = memory(batchSize);
  if (a.findLearningRate) return suggestRate(tuning, p, a, { batchSize, objective, out }, signal, io);
  const perEpoch = Math.max(1, Math.ceil(training.batchesPerEpoch(data.train.count, batchSize) / accumulate));
  const steps = a.maxSteps ?? Math.max(1, Math.round(perEpoch * a.numTrainEpochs));
  const evaluateEvery = Math.min(a.evalSteps ?? perEpoch, steps);
  const { tell, note, other, end } = await tellRun(io, { steps, json: a.json, output });
  const save = async (step: number): Promise<void> => {
    await saveTuned(out, tuning, p.model, p.files);
    await tell({ type: 'saved', step, path: out });
  };
  const heldOut = data.validation?.count ?? 0;
  const keepsBest = a.keepBest && heldOut > 0;
  for await (const event of tuning.train(data, {
    task,
    batchSize,
    accumulate,
    steps,
    rate: a.learningRate ?? (isSlow(p.method) ? 5e-5 : 1e-3),
    schedule: scheduleOf(a.lrSchedulerType),
    warmup: Math.min(steps, a.warmupSteps || Math.ceil(a.warmupRatio * steps)),
    floor: a.minLr ?? 0,
    clip: a.maxGradNorm,
    ...optimizerOptions(a, a.optim),
    ...(objective && { objective }),
    weightDecay: a.weightDecay,
    betas: [a.adamBeta1, a.adamBeta2],
    groupByLength: a.groupByLength,
    evaluateEvery,
    ...(a.saveSteps !== undefined && { saveEvery: a.saveSteps }),
    seed: a.seed,
    folder: run,
    resume: a.resume,
    picture: a.picture,
    identity: {
      task: name,
      validation: data.validation?.fingerprint ?? null,
      ...(a.mlmProbability !== undefined && { mlmProbability: a.mlmProbability }),
      ...(a.labelSmoothingFactor && { labelSmoothing: a.labelSmoothingFactor }),
    },
    signal,
    compile: engineOptions(a),
  })) {
    if (event.type === 'evaluation') {
      // Of language models the loss is all there is to know.
      const scores = ['clm', 'mlm', 'seq2seq'].includes(name)
        ? { loss: event.loss, perplexity: Math.exp(event.loss) }
        : await scoresOf(tuning, p, a, signal);
      if (!scores) continue;
      const { weights: _, lossPerCharacter: __, ...plain } = event;
      await tell({ ...plain, scores });
      note(`step ${event.step}: validation ${scoreText(scores)}${event.best ? ', the best so far' : ''}`);
      if (event.best && keepsBest) await save(event.step);
      continue;
    }
    if (event.type === 'start') {
      const { trained, all } = tuning.counts;
      await tell({
        ...event,
        parameters: all,
        trained,
        train: data.train.count,
        validation: heldOut,
        skipped: data.skipped,
        batchSize,
        accumulate,
        memory: estimate,
      });
      note(
        `${count(trained)} of ${count(all)} parameters are trained (${((100 * trained) / all).toPrecision(3)}%); ${count(data.train.count)} examples to train on, ${count(heldOut)} held out${data.skipped ? `, ${count(data.skipped)} rows left out` : ''}${data.isCached ? ', found encoded' : ''}; ${count(steps)} steps${event.step ? `, going on from step ${event.step}` : ''}`,
      );
      note(memoryText(estimate));
      if (batchSize < a.perDeviceTrainBatchSize)
        note(
          `batches of ${batchSize} in place of ${a.perDeviceTrainBatchSize}, ${accumulate} in an update: more don’t fit in memory`,
        );
      if (p.model.initialized.length && !event.step) note(`a new head: ${p.model.initialized.join(', ')}`);
      continue;
    }
    if (event.type === 'end') {
      const finish = async (): Promise<void> => {
        if (keepsBest && existsSync(join(out, 'config.json'))) return;
        const prefix = a.emaDecay === undefined ? 'weights/' : 'ema/';
        const { tensors } = await readSafetensors(join(run, training.runFiles.state), {
          names: (own) => own.startsWith(prefix),
        });
        restore(tuning, tensors, prefix);
        await save(event.step);
        if (keepsBest) note(`${out} was gone: it has the last weights now, not the best`);
      };
      await end(event, finish, out);
      continue;
    }
    await other(event);
  }
}

// Tries step sizes, and leaves a picture of their losses.
async function suggestRate(
  tuning: FineTuning,
  { data, task }: ToTune,
  a: FinetuneArgs,
  {
    batchSize,
    objective,
    out,
  }: { readonly batchSize: number; readonly objective: Objective | null; readonly out: string },
  signal: AbortSignal,
  io: Io,
): Promise<void> {
  const { rateCurve } = await import('@brickwork/training');
  const line = new ProgressLine(io);
  const { points, suggestion } = await tuning.findLearningRate(data.train, {
    ...{ task, batchSize, seed: a.seed, clip: a.maxGradNorm, groupByLength: a.groupByLength, signal },
    ...{ weightDecay: a.weightDecay, betas: [a.adamBeta1, a.adamBeta2] },
    ...optimizerOptions(a, a.optim),
    ...(objective && { objective }),
    compile: engineOptions(a),
    onProgress: ({ rate, smoothed, done, of }) =>
      line.show(() => `step ${done}/${of}  rate ${rate.toExponential(2)}  loss ${smoothed.toFixed(4)}`),
  });
  line.clear();
  const svg = await rateCurve(points, suggestion);
  const path = `${out}.learning-rate.png`;
  mkdirSync(dirname(path), { recursive: true });
  await writeDrawing(`${out}.learning-rate.svg`, svg);
  await writeDrawing(path, svg);
  io.note(`losses: ${path}`);
  if (a.json) await io.writeJson({ suggestion, points, picture: path });
  else if (suggestion === null) io.note('no step size made the loss fall: look at the picture, and at the data');
  else await io.write(`${suggestion.toExponential(1)}\n`);
}

// Batches of this size, as many in an update that it has as many examples as before, or hardly fewer.
function smallerBatches(a: FinetuneArgs, batchSize: number): { batchSize: number; accumulate: number } {
  const perUpdate = a.perDeviceTrainBatchSize * a.gradientAccumulationSteps;
  return { batchSize, accumulate: Math.max(1, Math.round(perUpdate / batchSize)) };
}

// Cross-entropy with a smoothed target; the network's own loss where none is asked for.
function smoothed(
  name: TaskName,
  share: number,
  { labelSmoothing }: typeof import('@brickwork/training'),
): Objective | null {
  if (!share) return null;
  if (!['classification', 'tokens', 'clm', 'mlm', 'seq2seq'].includes(name))
    throw usage(
      `--label-smoothing-factor is ${share}, and ${name} has no classes to spread it over`,
      'leave it out, or --task classification, tokens, clm, mlm or seq2seq',
    );
  return labelSmoothing({ share, shift: name === 'clm' });
}

function restore(tuning: FineTuning, tensors: ReadonlyMap<string, HostTensor>, prefix: string): void {
  for (const [name, { data }] of tuning.trainedWeights) {
    const last = tensors.get(prefix + name);
    if (!last) throw usage(`the checkpoint lacks ${name}`);
    (data as Float32Array).set(last.data as Float32Array);
  }
}

// The scores of the weights as they are now; null where it was interrupted.
async function scoresOf(tuning: FineTuning, p: ToTune, a: FinetuneArgs, signal: AbortSignal): Promise<Scores | null> {
  const { Model } = await import('@brickwork/transformer');
  const { architecture, className, config } = p.model;
  const now = new Model(
    { network: tuning.network, architecture, className, config, weights: tuning.weights },
    engineOptions(a),
  );
  try {
    const batchSize = a.perDeviceEvalBatchSize ?? a.perDeviceTrainBatchSize;
    const names = p.classes?.names.length ? p.classes.names : null;
    const { scores } = await measure(now, p.data.validation!, { name: p.name, task: p.task, batchSize, signal, names });
    return scores;
  } catch (error) {
    if (!signal.aborted) throw error;
    return null;
  } finally {
    await now.dispose();
  }
}
