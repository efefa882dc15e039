// Training of a causal language model on next-token prediction.
import { parameters } from '@brickwork/nn';
import { assignWeights, type CompileOptions, type HostTensor } from '@brickwork/runtime';
import type { CausalLM } from '@brickwork/transformer';
import { arena } from './arena.ts';
import type { Sampling } from './batches.ts';
import { flatStore, layout } from './flat-store.ts';
import { initializeWeights } from './initialize-weights.ts';
import { train } from './loop.ts';
import type { TrainEvent, TrainOptions } from './train-options.ts';
import { makeOptimizer, stateSize, type OptimizerOptions } from './optimizers/make-optimizer.ts';
import { estimateMemory, type MemoryEstimate } from './memory.ts';
import { measurePeak } from './peak.ts';
import { compileStep, traceWindows, type Batch } from './step.ts';
import { checkIds, nextTokenData, type TokenData } from './token-data.ts';
import { fingerprint } from './fingerprint.ts';

/** How a language model is trained. Unless given, weights decay by 0.1, and AdamW's betas are 0.9 and 0.95. */
export interface PretrainOptions extends TrainOptions, OptimizerOptions {
  /** Windows of a batch. */
  readonly batchSize: number;
  /** Tokens of a window; the model's whole context unless given. */
  readonly length?: number;
  /** How windows are drawn; `random` unless given. */
  readonly sampling?: Sampling;
  /** Weights to begin with, by name, copied; drawn from the model's initializers and the seed unless given. */
  readonly weights?: ReadonlyMap<string, HostTensor>;
  /** Activation checkpointing by block, see `networkStep`; false unless given. */
  readonly recompute?: boolean;
  /** The engine's options. */
  readonly compile?: CompileOptions;
  /**
   * Measures what the machine can do for a fraction of a second before the first step, so that steps tell their share
   * of it; true unless given.
   */
  readonly measurePeak?: boolean;
}

// Every option, so that one that is misspelt is an error; the type says where this list lags behind.
const known: Readonly<Record<keyof PretrainOptions, true>> = {
  steps: true,
  accumulate: true,
  rate: true,
  schedule: true,
  warmup: true,
  floor: true,
  power: true,
  cycles: true,
  stepEvery: true,
  gamma: true,
  decaySteps: true,
  layerDecay: true,
  noDecay: true,
  ema: true,
  earlyStopping: true,
  earlyStoppingThreshold: true,
  patience: true,
  clip: true,
  evaluateEvery: true,
  saveEvery: true,
  seed: true,
  signal: true,
  folder: true,
  resume: true,
  keepBest: true,
  picture: true,
  identity: true,
  tensorBoard: true,
  settings: true,
  batchSize: true,
  length: true,
  sampling: true,
  optimizer: true,
  weightDecay: true,
  betas: true,
  momentum: true,
  nesterov: true,
  scaleParameter: true,
  relativeStep: true,
  weights: true,
  recompute: true,
  compile: true,
  measurePeak: true,
};

/** What training reports. */
export type PretrainEvent = TrainEvent;

/**
 * Trains a causal language model on next-token prediction, reporting as it goes; see {@link train} for what is promised.
 * Losses are means in nats by token. The best weights come with an `evaluation` event, and stay as they are until the
 * next event is asked for.
 *
 * ```ts
 * import { saveCheckpoint } from '@brickwork/runtime';
 * import { trainTokenizer, Tokenizer } from '@brickwork/tokenizer';
 * import { pretrain, progressLine, tokenDataset } from '@brickwork/training';
 * import { GPT2LMHeadModel } from '@brickwork/transformer';
 * import { readFile } from 'node:fs/promises';
 *
 * const tokenizer = new Tokenizer(await trainTokenizer([await readFile('text.txt', 'utf8')], { type: 'char' }));
 * const data = await tokenDataset(['text.txt'], tokenizer, { cache: 'tokens' });
 * const config = {
 *   model_type: 'gpt2', vocab_size: tokenizer.vocabularySize, n_positions: 64, n_embd: 128, n_layer: 4, n_head: 4,
 * };
 * const model = new GPT2LMHeadModel(config);
 * const stop = new AbortController();
 * process.once('SIGINT', () => stop.abort()); // a second run of this program goes on where the first was stopped
 * const line = progressLine({ steps: 2000 });
 * for await (const event of pretrain(model, data, {
 *   steps: 2000, batchSize: 12, warmup: 100, seed: 1, folder: 'run', resume: true, signal: stop.signal,
 * })) {
 *   if (event.type === 'step') line.show(event);
 *   if (event.type === 'evaluation' && event.best)
 *     await saveCheckpoint('model', {
 *       config,
 *       tensors: event.weights,
 *       files: { 'tokenizer.json': JSON.stringify(tokenizer.json) },
 *     });
 * }
 * data.close();
 * ```
 *
 * @throws where an option makes no sense, ids are outside the model's vocabulary, the text is shorter than a window,
 * `weights` aren't the model's, or for the reasons of {@link train}.
 */
export async function* pretrain(
  model: CausalLM,
  data: TokenData,
  o: PretrainOptions,
): AsyncGenerator<PretrainEvent, void, void> {
  for (const name of Object.keys(o))
    if (!Object.hasOwn(known, name))
      throw new Error(`pretrain: no option ${name}; there are ${Object.keys(known).join(', ')}`);
  const { batchSize: B, length: T = model.contextLength, sampling = 'random', seed = 0, accumulate = 1 } = o;
  for (const [name, value] of Object.entries({ batchSize: B, length: T }))
    if (!(Number.isInteger(value) && value > 0))
      throw new Error(`pretrain: ${name} is ${value}; needs a whole number above 0`);
  if (T > model.contextLength)
    throw new Error(
      `pretrain: windows of ${T} tokens, but the model sees ${model.contextLength}; use a shorter length`,
    );
  if (sampling !== 'random' && sampling !== 'shuffle')
    throw new Error(`pretrain: no sampling ${JSON.stringify(sampling)}; there are random, shuffle`);
  checkIds(data.train, model.config.vocab_size);
  checkIds(data.validation, model.config.vocab_size);
  const batches = nextTokenData(data, { seed, B, T, sampling });

  const found = parameters(model);
  const { parts, length } = layout(new Map([...found].map(([name, p]) => [name, p.shape as number[]])));
  const first = o.weights && assignWeights(found, o.weights, { who: 'pretrain' });
  const memory = arena(Array<number>(4 + Number(accumulate > 1) + Number(o.ema !== undefined)).fill(length));
  const weights = flatStore(parts, memory.take(length));
  const grads = flatStore(parts, memory.take(length));
  const { optimizer, constants } = makeOptimizer(parts, length, o, { usual, arena: memory });
  yield* train<Batch>(
    {
      parts,
      weights,
      grads,
      optimizer,
      data: batches,
      arena: memory,
      initialize() {
        if (!first) return initializeWeights(model, weights, seed);
        for (const [name, { data: values }] of first)
          (weights.tensors.get(name)!.data as Float32Array).set(values as Float32Array);
      },
      async compile() {
        const step = await compileStep(
          model,
          { weights: weights.tensors, grads: grads.tensors, B, T, recompute: o.recompute ?? false },
          o.compile,
        );
        if (o.measurePeak === false || o.signal?.aborted) return step;
        const peakPerSecond = await measurePeak({ ...(o.compile && { compile: o.compile }) });
        return { ...step, work: { perRun: step.operations, peakPerSecond } };
      },
    },
    {
      ...o,
      identity: {
        ...o.identity,
        data: data.fingerprint,
        batchSize: B,
        length: T,
        sampling,
        ...constants,
        ...(first && { weights: fingerprint(first) }),
      },
    },
  );
}

/**
 * What a run with these options will hold at its peak, in bytes. Call it in the process that is to train, with the data
 * open: what it holds already counts.
 */
export function pretrainMemory(model: CausalLM, o: PretrainOptions): MemoryEstimate {
  const { batchSize: B, length: T = model.contextLength, recompute = false, accumulate = 1 } = o;
  const found = parameters(model);
  const { parts, length } = layout(new Map([...found].map(([name, p]) => [name, p.shape as number[]])));
  // Made and dropped: what it keeps is not written to, and so takes no memory.
  const kept = stateSize(makeOptimizer(parts, length, o, { usual }).optimizer) / length;
  const arrays = 2 + Number(accumulate > 1) + Number(o.ema !== undefined) + kept;
  const graph = traceWindows(model, B, T, { names: [...found.keys()], recompute });
  const memory = o.compile?.memory ?? 'arena';
  return estimateMemory(graph, { values: length, arrays, recompute, memory });
}

// AdamW's constants, as nanoGPT has them.
const usual = { betas: [0.9, 0.95], weightDecay: 0.1 } as const;
