// Fine-tuning: a model that was trained before goes on with a task of its own, all of it or a part.
import { initialize, parameters, type Network } from '@brickwork/nn';
import { hostTensor, type CompileOptions, type HostTensor } from '@brickwork/runtime';
import { adaptNetwork, type AdapterConfig, type Model } from '@brickwork/transformer';
import { arena, type Arena } from '../arena.ts';
import { batchesPerEpoch, exampleBatches, type NamedBatch } from '../data/example-batches.ts';
import type { ExampleStore } from '../data/example-store.ts';
import { flatStore, layout } from '../flat-store.ts';
import { findLearningRate, type FindLearningRateOptions, type FoundLearningRate } from '../find-learning-rate.ts';
import { train } from '../loop.ts';
import type { Trainee, TrainEvent, TrainOptions } from '../train-options.ts';
import type { MemoryEstimate } from '../memory.ts';
import { networkStep, type Objective } from '../network-step.ts';
import { makeOptimizer, stateSize, type MadeOptimizer, type OptimizerOptions } from '../optimizers/make-optimizer.ts';
import type { Task } from '../tasks/task.ts';
import type { TrainData } from '../train-data.ts';
import { thawing, thawStages, type Thawing } from './gradual.ts';
import { trainedParameters, type Method } from './methods.ts';
import { tuningMemory } from './tuning-memory.ts';
import { fingerprint } from '../fingerprint.ts';

/** How a model is fine-tuned. Unless given, weights decay by 0.01, and AdamW's betas are 0.9 and 0.999. */
export interface FineTuneOptions extends TrainOptions, OptimizerOptions {
  readonly task: Task;
  readonly batchSize: number;
  /** Puts examples of similar length into a batch; true unless given. */
  readonly groupByLength?: boolean;
  /** The network's own loss unless given. */
  readonly objective?: Objective;
  /** Activation checkpointing by layer, see {@link networkStep}; false unless given. */
  readonly recompute?: boolean;
  /** The engine's options. */
  readonly compile?: CompileOptions;
}

/** A model made ready to be fine-tuned: what is trained lies apart from what is frozen, which nothing ever writes. */
export class FineTuning {
  readonly network: Network;
  /** The names of what is trained. */
  readonly trained: readonly string[];
  /** The adapter that is trained; null where the model's own weights are. */
  readonly adapter: AdapterConfig | null;
  /** Every parameter's values; those trained change in place while training runs. */
  readonly weights: ReadonlyMap<string, HostTensor>;
  readonly #model: Model;
  readonly #method: Method;
  readonly #first: ReadonlyMap<string, HostTensor>;

  /**
   * @param model stays as it is: the trained weights are copies
   * @param method what is trained; `full` unless given
   * @param seed decides how an adapter's weights begin; 0 unless given
   */
  constructor(model: Model, { method = 'full', seed = 0 }: { readonly method?: Method; readonly seed?: number } = {}) {
    this.#model = model;
    this.#method = method;
    this.adapter = typeof method === 'object' && 'peft_type' in method ? method : null;
    const base = model.architecture.classes[model.className]!(model.config);
    this.network = this.adapter ? adaptNetwork(base, this.adapter) : base;
    const known = parameters(this.network);
    this.trained = trainedParameters(this.network, method, model.architecture.prefix, model.initialized);
    const isNew = [...known.keys()].some((name) => !model.weights.has(name));
    const fresh = isNew ? initialize(this.network, seed) : new Map<string, never>();
    const isTrained = new Set(this.trained);
    this.#first = new Map(
      [...known.keys()].map((name) => [name, model.weights.get(name) ?? tensorOf(fresh.get(name)!)]),
    );
    const { parts, length } = layout(new Map(this.trained.map((name) => [name, known.get(name)!.shape as number[]])));
    this.#parts = parts;
    this.#memory = arena(Array<number>(6).fill(length));
    this.#store = flatStore(parts, this.#memory.take(length));
    this.weights = new Map(
      [...this.#first].map(([name, tensor]) => [name, isTrained.has(name) ? this.#store.tensors.get(name)! : tensor]),
    );
    this.#reset();
  }
  readonly #parts: ReturnType<typeof layout>['parts'];
  readonly #memory: ReturnType<typeof arena>;
  readonly #store: ReturnType<typeof flatStore>;

  #reset(): void {
    for (const name of this.trained)
      (this.#store.tensors.get(name)!.data as Float32Array).set(this.#first.get(name)!.data as Float32Array);
  }

  /** How many values are trained, and how many there are. */
  get counts(): { readonly trained: number; readonly all: number } {
    const isTrained = new Set(this.trained);
    const sizes = [...this.weights].map(([name, { data }]) => [name, data.length] as const);
    const sum = (some: typeof sizes): number => some.reduce((n, [, size]) => n + size, 0);
    return { trained: sum(sizes.filter(([name]) => isTrained.has(name))), all: sum(sizes) };
  }

  /** The trained weights alone, by name: what an adapter's file holds, or a part of the model's. */
  get trainedWeights(): ReadonlyMap<string, HostTensor> {
    return this.#store.tensors;
  }

  /**
   * What a run with these options will hold at its peak, in bytes. Call it in the process that is to train, with the data
   * open: what it holds already counts.
   */
  estimateMemory(train: ExampleStore, o: FineTuneOptions): MemoryEstimate {
    const values = this.#store.data.length;
    // Made anew and dropped: what it keeps is not written to, and so takes no memory.
    const kept = stateSize(this.#optimizer(o).optimizer) / values;
    const arrays = 1 + Number((o.accumulate ?? 1) > 1) + Number(o.ema !== undefined) + kept;
    return tuningMemory(this.network, train, { ...o, names: this.trained, values, arrays });
  }

  #optimizer(o: FineTuneOptions, memory?: Arena): MadeOptimizer {
    const usual = { betas: [0.9, 0.999], weightDecay: 0.01 } as const;
    return makeOptimizer(this.#parts, this.#store.data.length, o, { usual, ...(memory && { arena: memory }) });
  }

  #thawing(perEpoch: number): Thawing | null {
    const method = this.#method;
    if (typeof method !== 'object' || !('gradual' in method)) return null;
    const every = method.gradual === 'epoch' ? perEpoch : method.gradual;
    return thawing(thawStages(this.network), this.#parts, every);
  }

  /** Trains on encoded examples, reporting as it goes; see `train` for what is promised. */
  async *train(
    data: { readonly train: ExampleStore; readonly validation?: ExampleStore | null },
    o: FineTuneOptions,
  ): AsyncGenerator<TrainEvent, void, void> {
    const { task, batchSize, groupByLength = true } = o;
    const { trainee, constants } = this.#trainee(data, o, this.#memory);
    yield* train(trainee, {
      ...o,
      identity: {
        ...o.identity,
        ...task.identity,
        method: this.#method,
        data: data.train.fingerprint,
        model: fingerprint(this.#first),
        class: this.#model.className,
        batchSize,
        groupByLength,
        ...constants,
      },
    });
  }

  /**
   * Tries step sizes from small to large, to suggest one; the weights stay as they are. See `findLearningRate`.
   *
   * @throws where the loss isn't finite from the first step on.
   */
  async findLearningRate(
    data: ExampleStore,
    o: Omit<FineTuneOptions, 'steps'> & FindLearningRateOptions,
  ): Promise<FoundLearningRate> {
    return findLearningRate(this.#trainee({ train: data }, { ...o, steps: 1 }, null).trainee, o);
  }

  #trainee(
    data: { readonly train: ExampleStore; readonly validation?: ExampleStore | null },
    o: FineTuneOptions,
    memory: Arena | null,
  ): { readonly trainee: Trainee<NamedBatch>; readonly constants: MadeOptimizer['constants'] } {
    const { task, batchSize, groupByLength = true, seed = 0, objective } = o;
    const { length } = this.#store.data;
    const grads = flatStore(this.#parts, memory?.take(length) ?? new Float32Array(length));
    const { optimizer, constants } = this.#optimizer(o, memory ?? undefined);
    const examples = exampleBatches(data.train, {
      batchSize,
      seed,
      groupBy: groupByLength ? task.lengthOf : null,
      collate: (examples, draw) => task.collate(examples, draw),
      validation: data.validation ?? null,
    });
    const { accumulate = 1 } = o;
    const thaws = this.#thawing(Math.ceil(batchesPerEpoch(data.train.count, batchSize) / accumulate));
    // Which parameters a batch trains follows from its number.
    const steps = new WeakMap<NamedBatch, number>();
    const batches: TrainData<NamedBatch> = {
      ...examples,
      batch(number) {
        const made = examples.batch(number);
        steps.set(made.batch, 1 + Math.floor(number / accumulate));
        return made;
      },
    };
    const trainee: Trainee<NamedBatch> = {
      parts: this.#parts,
      weights: this.#store,
      grads,
      optimizer: thaws?.wrap(optimizer) ?? optimizer,
      data: thaws ? batches : examples,
      ...(memory && { arena: memory }),
      initialize: () => this.#reset(),
      compile: async () =>
        networkStep(this.network, {
          weights: this.weights,
          grads: grads.tensors,
          ...(objective && { objective }),
          ...(thaws && { trains: (batch) => thaws.at(steps.get(batch)!) }),
          ...(o.recompute && { recompute: true }),
          ...(o.compile && { compile: o.compile }),
        }),
    };
    return { trainee, constants };
  }
}

const tensorOf = ({ data, shape }: { data: Float32Array; shape: readonly number[] }): HostTensor =>
  hostTensor(data, shape);
