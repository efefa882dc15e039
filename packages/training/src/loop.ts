// The training loop: batch, loss and gradients, clipping, update, and now and then an evaluation and a checkpoint.
import { join } from 'node:path';
import { streamSeed } from '@brickwork/nn';
import { writeFileAtomic } from '@brickwork/runtime';
import { accumulate as addTo } from './accumulate.ts';
import { flatStore } from './flat-store.ts';
import { clipScale, gradientNorm } from './gradient-norm.ts';
import { movingAverage } from './ema.ts';
import { HalveOnPlateau } from './halve-on-plateau.ts';
import { layerRates } from './optimizers/layer-rates.ts';
import { decayGroups, decays } from './optimizers/optimizer.ts';
import { writeLossCurve } from './loss-curve.ts';
import { versions, writable } from './run-settings.ts';
import { openRun, runFiles, type Progress, type Run, type State } from './run-folder.ts';
import { schedules, type Schedule, type ScheduleName, type ShapeOptions } from './schedules.ts';
import { openTensorBoard, type TensorBoardWriter } from './tensorboard.ts';
import type { Counted } from './train-data.ts';
import type { Trainee, TrainEvent, TrainOptions } from './train-options.ts';
import type { TrainStep } from './train-step.ts';

/** Mean loss over all batches, weighted by what each stands for; null where there are none. Stops early, null too, on a signal. */
export async function evaluate<B>(
  step: TrainStep<B>,
  batches: Iterable<Counted<B>> | AsyncIterable<Counted<B>>,
  signal?: AbortSignal,
): Promise<number | null> {
  let total = 0;
  let n = 0;
  for await (const { batch, count } of batches) {
    if (signal?.aborted) return null;
    total += (await step.evaluate(batch)) * count;
    n += count;
  }
  return n ? total / n : null;
}

// Those that fall all the way from the full rate.
const falling = new Set<ScheduleName>(['cosine', 'linear', 'polynomial', 'cosine_with_restarts']);
// Those that don't depend on the number of steps: a run may go on for longer than it was meant to.
const endless = new Set<ScheduleName>(['constant', 'plateau', 'inverse_sqrt']);
const floorOf = ({ schedule = 'cosine', floor = falling.has(schedule) ? 0.1 : 0 }: TrainOptions): number => floor;

/** The step size's share at every step. */
export function scheduleOf(o: TrainOptions): Schedule {
  const { steps, warmup = 0, schedule = 'cosine' } = o;
  if (!Object.hasOwn(schedules, schedule))
    throw new Error(`train: no schedule ${JSON.stringify(schedule)}; there are ${Object.keys(schedules).join(', ')}`);
  return schedules[schedule]!({ ...shapeOf(o), steps, warmup, floor: floorOf(o) });
}

// What was given of a schedule's own options.
function shapeOf({ power, cycles, stepEvery, gamma, decaySteps }: ShapeOptions): ShapeOptions {
  const all = { power, cycles, stepEvery, gamma, decaySteps };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function check(o: TrainOptions, numbers: Record<string, number>): void {
  for (const [name, value] of Object.entries(numbers))
    if (!(Number.isSafeInteger(value) && value > 0))
      throw new Error(`train: ${name} is ${value}; needs a whole number above 0`);
  const { rate = 1e-3, clip = 1, seed = 0, earlyStopping, earlyStoppingThreshold: threshold = 0 } = o;
  if (earlyStopping !== undefined && !(Number.isSafeInteger(earlyStopping) && earlyStopping > 0))
    throw new Error(`train: earlyStopping is ${earlyStopping}; needs a whole number above 0`);
  if (o.ema !== undefined && !(o.ema > 0 && o.ema < 1))
    throw new Error(`train: ema is ${o.ema}; needs to be between 0 and 1, such as 0.999`);
  if (!(threshold >= 0)) throw new Error(`train: earlyStoppingThreshold is ${threshold}; needs 0 or more`);
  if (!(rate > 0 && rate < Infinity)) throw new Error(`train: rate is ${rate}; needs a number above 0`);
  if (!(clip >= 0)) throw new Error(`train: clip is ${clip}; needs 0 or more`);
  if (!Number.isSafeInteger(seed)) throw new Error(`train: seed is ${seed}; needs a whole number`);
}

/**
 * Trains, reporting as it goes. With a folder, an interrupted run resumes with exactly the weights that an uninterrupted
 * one would have: every batch, dropout mask and step size follows from the seed and the step.
 *
 * @throws where an option makes no sense, the folder holds another run, or the loss or its gradient are no longer finite.
 */
export async function* train<B>(trainee: Trainee<B>, o: TrainOptions): AsyncGenerator<TrainEvent, void, void> {
  const { steps, accumulate = 1, rate = 1e-3, clip = 1, seed = 0, signal, folder } = o;
  const { evaluateEvery = 250, saveEvery = evaluateEvery, warmup = 0, patience = 1 } = o;
  const { layerDecay, noDecay = [], ema, earlyStopping = Infinity, earlyStoppingThreshold = 0 } = o;
  const { parts, weights, grads, optimizer, data } = trainee;
  check(o, { steps, accumulate, evaluateEvery, saveEvery });
  const schedule = scheduleOf(o);
  const halving = new HalveOnPlateau({ patience });
  const decay = (own: readonly number[], name: string): boolean =>
    decays(own) && !noDecay.some((part) => name.includes(part));
  const groups = decayGroups(parts, decay, layerDecay === undefined ? null : layerRates(parts, layerDecay));
  const { schedule: kind = 'cosine' } = o;

  const ending = endless.has(kind) || (kind === 'step' && o.stepEvery) ? {} : { steps };
  const shape = { ...(endless.has(kind) ? {} : { floor: floorOf(o) }), ...shapeOf(o) };
  const chosen = { ...(layerDecay && { layerDecay }), ...(noDecay.length && { noDecay }), ...(ema && { ema }) };
  const settings = {
    ...{ schedule: kind, rate, warmup, ...ending, ...shape },
    ...{ accumulate, clip, evaluateEvery, seed, ...chosen },
  };
  const identity = { ...o.identity, optimizer: optimizer.name, ...settings, ...(kind === 'plateau' && { patience }) };
  const run: Run | null = folder ? await openRun(folder, { resume: o.resume ?? false, identity }) : null;
  let step: TrainStep<B> | null = null;
  let board: TensorBoardWriter | null = null;
  try {
    if (folder) {
      const { folder: _, resume: __, signal: ___, identity: ____, settings: more, ...options } = o;
      const resolved = { ...settings, saveEvery, patience, keepBest: false, optimizer: optimizer.name, ...options };
      const all = { options: writable(resolved), ...more, identity, versions: versions() };
      await writeFileAtomic(join(folder, runFiles.settings), `${JSON.stringify(all, null, 2)}\n`);
    }
    if (folder && o.tensorBoard) board = await openTensorBoard(folder, run?.progress?.step ?? 0);
    const { length } = weights.data;
    const take = (): Float32Array => trainee.arena?.take(length) ?? new Float32Array(length);
    const average = ema === undefined ? null : movingAverage(take(), ema);
    const state: State = {
      weights,
      ...Object.fromEntries(
        Object.entries(optimizer.state)
          .filter(([, array]) => array.length)
          .map(([key, array]) => [key, flatStore(optimizer.stateParts?.[key] ?? parts, array)]),
      ),
      ...(average && { ema: flatStore(parts, average.values) }),
    };
    if (run?.progress) await run.restore(state);
    else {
      trainee.initialize();
      average?.begin(weights.data);
    }
    let {
      step: done,
      evaluated,
      best,
      waited = 0,
    }: Progress = run?.progress ?? { step: 0, evaluated: 0, best: null, plateau: halving.state() };
    if (run?.progress) halving.load(run.progress.plateau);
    let isSaved = true;
    let checkpoint = run?.progress ? `${folder}` : null;

    const started = performance.now();
    step = await trainee.compile();
    const compileSeconds = (performance.now() - started) / 1000;
    yield { type: 'start', step: done, parameters: parts.reduce((n, p) => n + p.end - p.begin, 0), compileSeconds };

    const sums = accumulate === 1 ? grads.data : take();
    let secondsPerStep = 0;
    let secondsPerEvaluation = 0;
    for (;;) {
      if (done > evaluated && (done % evaluateEvery === 0 || done >= steps) && !signal?.aborted) {
        const clock = performance.now();
        // The average is what is evaluated and kept, and the weights what training goes on with.
        average?.swap(weights.data);
        try {
          const loss = await evaluate(step, data.validation(), signal);
          if (!signal?.aborted) {
            evaluated = done;
            isSaved = false;
          }
          if (loss !== null && !signal?.aborted) {
            if (!Number.isFinite(loss))
              throw new Error(`train: the validation loss at step ${done} is ${loss}; ${advice}`);
            if (kind === 'plateau') halving.observe(loss);
            const isBest = best === null || loss < best.loss;
            waited = best === null || loss < best.loss - earlyStoppingThreshold ? 0 : waited + 1;
            if (isBest) best = { step: done, loss };
            const lossPerCharacter = loss / (data.charactersPerToken ?? 1);
            await run?.log({ step: done, validation: loss, validationPerCharacter: lossPerCharacter });
            await board?.scalars(done, { 'eval/loss': loss });
            if (isBest && o.keepBest) await run?.saveBest(weights, done);
            secondsPerEvaluation = (performance.now() - clock) / 1000;
            yield { type: 'evaluation', step: done, loss, lossPerCharacter, best: isBest, weights: weights.tensors };
          }
        } finally {
          average?.swap(weights.data);
        }
      }
      const isOver = done >= steps || waited >= earlyStopping;
      if (run && !isSaved && (done % saveEvery === 0 || isOver || signal?.aborted)) {
        // A checkpoint that can't be gone on from would take the place of one that can.
        if (!Number.isFinite(gradientNorm(weights.data)))
          throw new Error(
            `train: after step ${done} the weights are no longer finite; ${advice}${untouched(checkpoint)}`,
          );
        const path = await run.save({ step: done, evaluated, best, plateau: halving.state(), waited }, state);
        isSaved = true;
        checkpoint = path;
        yield { type: 'checkpoint', step: done, path };
      }
      if (isOver || signal?.aborted) break;

      const clock = performance.now();
      const now = done + 1;
      let loss = 0;
      let predictions = 0;
      let taken = 0;
      // The first batch whose loss isn't finite, or the last one.
      let suspect: { readonly batch: B; readonly draw: number } | null = null;
      for (; taken < accumulate && !(taken && signal?.aborted); taken++) {
        const number = done * accumulate + taken;
        const { batch, count } = await data.batch(number);
        const draw = streamSeed(seed, `dropout/${number}`) | 0;
        const own = await step.run(batch, draw);
        if (!suspect || Number.isFinite(loss)) suspect = { batch, draw };
        loss += own * count;
        predictions += count;
        if (accumulate > 1) addTo(sums, grads.data, count, taken === 0);
      }
      if (taken < accumulate) continue;
      // A step may have nothing to predict, such as no hidden token in a few short texts; its gradient is 0.
      loss /= Math.max(1, predictions);
      const perPrediction = accumulate > 1 ? 1 / Math.max(1, predictions) : 1;
      const norm = gradientNorm(sums) * perPrediction;
      if (!Number.isFinite(loss) || !Number.isFinite(norm))
        throw await notFinite(step, {
          now,
          loss,
          norm,
          suspect: suspect!,
          checkpoint,
        });
      const current = rate * schedule(now) * halving.share;
      const scale = clipScale(norm, clip) * perPrediction;
      const updated = optimizer.update(weights.data, sums, groups, { step: now, rate: current, scale });
      if (updated) await updated;
      average?.update(weights.data, now);
      done = now;
      isSaved = false;
      const seconds = (performance.now() - clock) / 1000;
      secondsPerStep = secondsPerStep ? 0.9 * secondsPerStep + 0.1 * seconds : seconds;
      await run?.log({ step: now, loss, rate: current, norm });
      await board?.scalars(now, {
        'train/loss': loss,
        'train/learning_rate': current,
        'train/grad_norm': norm,
        'train/predictions_per_second': predictions / secondsPerStep,
      });
      const evaluations = Math.ceil(steps / evaluateEvery) - Math.floor((now - 1) / evaluateEvery);
      yield {
        type: 'step',
        step: now,
        loss,
        rate: current,
        norm,
        tokensPerSecond: predictions / secondsPerStep,
        secondsLeft: (steps - now) * secondsPerStep + evaluations * secondsPerEvaluation,
        ...(step.work && { shareOfPeak: (accumulate * step.work.perRun) / secondsPerStep / step.work.peakPerSecond }),
      };
    }
    const stoppedEarly = done < steps && waited >= earlyStopping;
    const aborted = (done < steps && !stoppedEarly) || evaluated < done;
    if (!aborted) average?.swap(weights.data);
    if (folder && done && (o.picture ?? true)) yield await draw(folder);
    yield { type: 'end', step: done, aborted, ...(stoppedEarly && { stoppedEarly }) };
  } finally {
    await optimizer.dispose?.();
    await data.close?.();
    await step?.dispose();
    await board?.close();
    await run?.close();
  }
}

// A run that is done is not lost to a picture: no disk space, or no drawing library for this kind of machine.
async function draw(folder: string): Promise<TrainEvent> {
  try {
    return { type: 'picture', path: await writeLossCurve(folder) };
  } catch (error) {
    return { type: 'warning', message: `no picture of the losses: ${(error as Error).message}` };
  }
}

// What to say of a step that gave no finite numbers: where they were lost, and what to try.
async function notFinite<B>(
  step: TrainStep<B>,
  o: {
    readonly now: number;
    readonly loss: number;
    readonly norm: number;
    readonly suspect: { readonly batch: B; readonly draw: number };
    readonly checkpoint: string | null;
  },
): Promise<Error> {
  const { now, loss, norm, suspect } = o;
  let where: string | null = null;
  try {
    where = (await step.diagnose?.(suspect.batch, suspect.draw)) ?? null;
  } catch (error) {
    where = `where it began could not be found: ${(error as Error).message}`;
  }
  return new Error(
    `train: at step ${now} the loss is ${loss} and the gradient's norm ${norm}${where ? `; ${where}` : ''}; ${advice}${untouched(o.checkpoint)}`,
  );
}
const untouched = (checkpoint: string | null): string =>
  checkpoint === null ? '' : `. The last checkpoint, in ${checkpoint}, is as it was`;

const advice = 'use a smaller rate, more warm-up, or a smaller clip';
