// The training loop: batch, loss and gradients, clipping, update, and now and then an evaluation and a checkpoint.
import { parameters, initialize, streamSeed } from '@brickwork/nn';
import type { CompileOptions, HostTensor } from '@brickwork/runtime';
import type { CausalLM } from '@brickwork/transformer';
import { flatStore, layout } from './flat-store.ts';
import { adamw } from './optimizers/adamw.ts';
import { decays, norm, type Optimizer } from './optimizers/optimizer.ts';
import { sgd } from './optimizers/sgd.ts';
import { constantSchedule, cosineSchedule, HalveOnPlateau, linearSchedule } from './schedules.ts';
import { compileStep, type TrainStep } from './step.ts';
import { allBatches, checkIds, randomBatch, type TokenData } from './token-data.ts';
import { openRun, type Run } from './run-folder.ts';

/** How a model is trained. */
export interface PretrainOptions {
  readonly steps: number;
  readonly batchSize: number;
  /** Tokens of a window; the model's whole context unless given. */
  readonly length?: number;
  /** Batches whose gradients are summed before an update; 1 unless given. */
  readonly accumulate?: number;
  readonly optimizer?: 'adamw' | 'sgd';
  readonly rate?: number;
  readonly schedule?: 'constant' | 'cosine' | 'linear' | 'plateau';
  readonly warmup?: number;
  /** Share of the rate that the schedule ends with; 0.1 unless given. */
  readonly floor?: number;
  readonly weightDecay?: number;
  readonly betas?: readonly [number, number];
  readonly momentum?: number;
  readonly nesterov?: boolean;
  /** Gradients longer than this are scaled down to it; 1 unless given, 0 for never. */
  readonly clip?: number;
  /** Steps between evaluations; 250 unless given. */
  readonly evaluateEvery?: number;
  /** Steps between checkpoints; that of evaluations unless given. */
  readonly saveEvery?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** Where metrics and checkpoints go; nothing is written unless given. */
  readonly folder?: string;
  /** Goes on from the folder's last checkpoint. */
  readonly resume?: boolean;
  /** Anything else that a resumed run must have in common with the first: the data's fingerprint, the model's config. */
  readonly identity?: Readonly<Record<string, unknown>>;
  readonly compile?: CompileOptions;
}

/** What the loop reports. */
export type PretrainEvent =
  | { readonly type: 'start'; readonly step: number; readonly parameters: number; readonly compileSeconds: number }
  | {
      readonly type: 'step';
      readonly step: number;
      readonly loss: number;
      readonly rate: number;
      readonly norm: number;
      readonly tokensPerSecond: number;
      readonly secondsLeft: number;
    }
  /** Mean losses of the validation part in nats, by token and by character. */
  | {
      readonly type: 'evaluation';
      readonly step: number;
      readonly loss: number;
      readonly lossPerCharacter: number;
      /** Whether it is the lowest so far. */
      readonly best: boolean;
      /** The weights evaluated; the next step changes them in place. */
      readonly weights: ReadonlyMap<string, HostTensor>;
    }
  | { readonly type: 'checkpoint'; readonly step: number; readonly path: string }
  | { readonly type: 'end'; readonly step: number; readonly aborted: boolean };

/** Mean loss over a whole sequence, in windows of T, in nats by token. */
export async function evaluate(
  step: TrainStep,
  tokens: ArrayLike<number>,
  B: number,
  T: number,
  signal?: AbortSignal,
): Promise<number> {
  let total = 0;
  let n = 0;
  for (const { batch, count } of allBatches(tokens, B, T)) {
    signal?.throwIfAborted();
    total += (await step.evaluate(batch)) * count;
    n += count;
  }
  if (!n) throw new Error('evaluate: no tokens; keep a larger share of the text for validation');
  return total / n;
}

function makeOptimizer(size: number, o: PretrainOptions): Optimizer {
  const { optimizer = 'adamw', betas = [0.9, 0.95], weightDecay = 0.1, momentum = 0.9, nesterov = false } = o;
  return optimizer === 'adamw' ? adamw(size, { betas, weightDecay }) : sgd(size, { momentum, nesterov, weightDecay });
}

/**
 * Trains a causal language model on next-token prediction, reporting as it goes. With a folder, an interrupted run
 * resumes with exactly the weights that an uninterrupted one would have: every batch, dropout mask and step size follows
 * from the seed and the step.
 */
export async function* pretrain(
  model: CausalLM,
  data: TokenData,
  o: PretrainOptions,
): AsyncGenerator<PretrainEvent, void, void> {
  const { steps, batchSize: B, accumulate = 1, rate = 1e-3, clip = 1, seed = 0, warmup = 0, floor = 0.1, signal } = o;
  const T = o.length ?? model.contextLength;
  const evaluateEvery = o.evaluateEvery ?? 250;
  const saveEvery = o.saveEvery ?? evaluateEvery;
  for (const [name, value] of Object.entries({ steps, batchSize: B, accumulate, length: T, evaluateEvery, saveEvery }))
    if (!(Number.isInteger(value) && value > 0))
      throw new Error(`pretrain: ${name} is ${value}; needs a whole number above 0`);
  if (!(rate > 0)) throw new Error(`pretrain: rate is ${rate}; needs a number above 0`);
  if (T > model.contextLength)
    throw new Error(
      `pretrain: windows of ${T} tokens, but the model sees ${model.contextLength}; use a shorter length`,
    );
  checkIds(data.train, model.config.vocab_size);
  checkIds(data.validation, model.config.vocab_size);
  randomBatch(data.train, { seed, step: 1, B: 1, T });

  const shapes = new Map([...parameters(model)].map(([name, p]) => [name, p.shape as number[]]));
  const { parts, length } = layout(shapes);
  const weights = flatStore(parts, new Float32Array(length));
  const grads = flatStore(parts, new Float32Array(length));
  const sums = accumulate > 1 ? new Float32Array(length) : grads.data;
  const ranges = parts.map(({ begin, end, shape }) => ({ begin, end, decay: decays(shape) }));
  const optimizer = makeOptimizer(length, o);
  const plateau = new HalveOnPlateau();
  const shape = {
    constant: constantSchedule,
    cosine: cosineSchedule,
    linear: linearSchedule,
    plateau: constantSchedule,
  }[o.schedule ?? 'cosine'];
  const schedule = shape({ steps, warmup, floor });

  const { steps: _, signal: _s, folder, resume, compile, identity, ...settings } = o;
  const run: Run | null = folder
    ? await openRun(folder, { resume: resume ?? false, identity: { ...identity, ...settings, steps, length: T } })
    : null;
  const state = { weights: weights.data, ...optimizer.state };
  let best = Infinity;
  const from = (await run?.restore(state)) ?? null;
  if (from) {
    best = from.best;
    Object.assign(plateau, from.plateau, { best: from.plateau['best'] ?? Infinity }); // JSON has no infinity
  } else
    for (const [name, { data: values }] of initialize(model, seed))
      (weights.tensors.get(name)!.data as Float32Array).set(values);
  let done = from?.step ?? 0;

  const started = performance.now();
  const step = await compileStep(model, { weights: weights.tensors, grads: grads.tensors, B, T }, compile);
  try {
    yield {
      type: 'start',
      step: done,
      parameters: parts.reduce((n, p) => n + p.end - p.begin, 0),
      compileSeconds: (performance.now() - started) / 1000,
    };
    let clock = performance.now();
    let speed = 0;
    while (done < steps && !signal?.aborted) {
      const now = done + 1;
      let loss = 0;
      for (let k = 0; k < accumulate; k++) {
        const number = (now - 1) * accumulate + k;
        const batch = randomBatch(data.train, { seed, step: number, B, T });
        loss += (await step.run(batch, streamSeed(seed, `dropout/${number}`) | 0)) / accumulate;
        if (accumulate > 1) {
          if (k === 0) sums.set(grads.data);
          else for (let i = 0; i < length; i++) sums[i]! += grads.data[i]!;
        }
      }
      if (!Number.isFinite(loss))
        throw new Error(`pretrain: the loss at step ${now} is ${loss}; use a smaller rate or more warm-up`);
      const size = norm(sums) / accumulate;
      const scale = (clip > 0 && size > clip ? clip / size : 1) / accumulate;
      const current = rate * schedule(now) * plateau.share;
      optimizer.update(weights.data, sums, ranges, { step: now, rate: current, scale });
      done = now;
      const seconds = (performance.now() - clock) / 1000;
      clock = performance.now();
      speed = speed ? 0.9 * speed + 0.1 * seconds : seconds;
      const tokensPerSecond = (B * T * accumulate) / speed;
      await run?.log({ step: now, loss, rate: current, norm: size });
      yield {
        type: 'step',
        step: now,
        loss,
        rate: current,
        norm: size,
        tokensPerSecond,
        secondsLeft: (steps - now) * speed,
      };

      if (data.validation.length > 1 && (now % evaluateEvery === 0 || now === steps)) {
        const value = await evaluate(step, data.validation, B, T, signal);
        if (o.schedule === 'plateau') plateau.observe(value);
        const isBest = value < best;
        best = Math.min(best, value);
        const lossPerCharacter = value / data.charactersPerToken;
        await run?.log({ step: now, validation: value, validationPerCharacter: lossPerCharacter });
        yield { type: 'evaluation', step: now, loss: value, lossPerCharacter, best: isBest, weights: weights.tensors };
      }
      if (run && (now % saveEvery === 0 || now === steps || signal?.aborted)) {
        const path = await run.save({ step: now, best, plateau: { ...plateau } }, state);
        yield { type: 'checkpoint', step: now, path };
      }
      clock = performance.now();
    }
    yield { type: 'end', step: done, aborted: done < steps };
  } finally {
    await step.dispose();
    await run?.close();
  }
}
