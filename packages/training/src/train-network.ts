// Training of any network on batches of its inputs by name: images, numbers, whatever a brick can take. Texts have ways of
// their own (`pretrain`, `FineTuning`), which know about tokens.
import { initialize, parameters, trainable, type Network } from '@brickwork/nn';
import { hostTensor, type CompileOptions, type HostTensor } from '@brickwork/runtime';
import { arena } from './arena.ts';
import type { NamedBatch } from './data/example-batches.ts';
import { flatStore, layout } from './flat-store.ts';
import { train } from './loop.ts';
import { networkStep, type Objective } from './network-step.ts';
import { makeOptimizer, type OptimizerOptions } from './optimizers/make-optimizer.ts';
import type { TrainData } from './train-data.ts';
import type { TrainEvent, TrainOptions } from './train-options.ts';
import { fingerprint } from './fingerprint.ts';

/** How a network is trained. Unless given, AdamW's betas are 0.9 and 0.999, and weights decay by 0.01. */
export interface TrainNetworkOptions extends TrainOptions, OptimizerOptions {
  /** Weights to begin with, by name; those that are missing begin as the network's bricks say. */
  readonly weights?: ReadonlyMap<string, HostTensor>;
  /**
   * Whether a parameter of this name is trained; all that have a gradient are unless given. What isn't stays bit for bit as
   * it is, batch norm whose weight isn't trained too: it normalises by the statistics that it came with.
   */
  readonly trains?: (name: string) => boolean;
  /** The network's own loss unless given. */
  readonly objective?: Objective;
  /** Activation checkpointing by layer, see {@link networkStep}; false unless given. */
  readonly recompute?: boolean;
  /** The engine's options. */
  readonly compile?: CompileOptions;
}

/** A network that is being trained. */
export interface NetworkTraining {
  /** Every parameter's values, buffers too; those trained change in place. Counters are int64 as in PyTorch's files. */
  readonly weights: ReadonlyMap<string, HostTensor>;
  /** The names of what is trained. */
  readonly trained: readonly string[];
  /** Trains, step by step, as it is read; see `train` for what is promised. */
  readonly events: AsyncGenerator<TrainEvent, void, void>;
}

/**
 * Trains a network on batches of inputs by name. Buffers (batch norm's running statistics) lie with the trained weights, so
 * that checkpoints have them, and a resumed run is the same as one that was never interrupted.
 *
 * @throws where nothing is left to train, or the weights given don't fit the network.
 */
export function trainNetwork(network: Network, data: TrainData<NamedBatch>, o: TrainNetworkOptions): NetworkTraining {
  const { trains = () => true, seed = 0 } = o;
  const known = parameters(network);
  const trained = [...trainable(network).keys()].filter(trains);
  if (!trained.length) throw new Error('trainNetwork: nothing is left to train; `trains` chose no parameter');
  const fresh = initialize(network, seed);
  const first = new Map<string, HostTensor>();
  for (const [name, p] of known) {
    const { data: values, shape, dtype } = o.weights?.get(name) ?? fresh.get(name)!;
    if (shape.join() !== p.shape.join() || dtype !== p.dtype)
      throw new Error(
        `trainNetwork: ${name} is ${dtype} (${shape.join(', ')}); the network needs ${p.dtype} (${p.shape.join(', ')})`,
      );
    first.set(name, hostTensor(values, shape, dtype));
  }
  for (const name of o.weights?.keys() ?? [])
    if (!known.has(name)) throw new Error(`trainNetwork: the network has no parameter ${name}`);
  const brickOf = (name: string): string => name.slice(0, name.lastIndexOf('.') + 1);
  const bricks = new Set(trained.map(brickOf));
  const moving = [...known].filter(([name, p]) => !p.trainable && bricks.has(brickOf(name))).map(([name]) => name);

  const { parts, length } = layout(new Map([...trained, ...moving].map((name) => [name, first.get(name)!.shape])));
  const memory = arena(Array<number>(6).fill(length));
  const store = flatStore(parts, memory.take(length));
  const grads = flatStore(parts, memory.take(length)); // a buffer's stays zero
  const counters = new Map(
    moving
      .filter((name) => known.get(name)!.dtype === 'int64')
      .map((name) => [
        name,
        hostTensor(BigInt64Array.from(first.get(name)!.data as BigInt64Array), first.get(name)!.shape),
      ]),
  );
  const readCounters = (): void => {
    for (const [name, { data }] of counters)
      (data as BigInt64Array).set(BigInt64Array.from(store.tensors.get(name)!.data as Float32Array, whole));
  };
  const begin = (): void => {
    for (const { name } of parts) {
      const to = store.tensors.get(name)!.data as Float32Array;
      const { data: from } = first.get(name)!;
      if (from instanceof Float32Array) to.set(from);
      else to.set(Array.from(from as BigInt64Array, Number));
    }
    readCounters();
  };
  begin();
  const inStore = new Map([...first].map(([name, tensor]) => [name, store.tensors.get(name) ?? tensor]));
  const { optimizer, constants } = makeOptimizer(parts, length, o, {
    usual: { betas: [0.9, 0.999], weightDecay: 0.01 },
    arena: memory,
  });
  const step = (): ReturnType<typeof networkStep> =>
    networkStep(network, {
      weights: inStore,
      grads: new Map(trained.map((name) => [name, grads.tensors.get(name)!])),
      buffers: new Map(moving.map((name) => [name, store.tensors.get(name)!])),
      ...(o.objective && { objective: o.objective }),
      ...(o.recompute && { recompute: true }),
      // Images' activations are large and of the same sizes at every step: memory that is kept saves a tenth of the time.
      compile: { memory: 'arena', ...o.compile },
    });
  const { weights: _, trains: __, objective: ___, compile: ____, ...options } = o;
  const events = train(
    { parts, weights: store, grads, optimizer, data, arena: memory, initialize: begin, compile: async () => step() },
    {
      ...options,
      identity: {
        ...o.identity,
        // Without a folder nothing is compared, and hashing large networks takes its time.
        ...(o.folder !== undefined && { first: fingerprint(first) }),
        trained,
        ...constants,
      },
    },
  );
  return {
    weights: new Map([...inStore].map(([name, tensor]) => [name, counters.get(name) ?? tensor])),
    trained,
    events: counted(events, readCounters),
  };
}

// A moving average of a counter (`ema`) is no whole number.
const whole = (x: number): bigint => BigInt(Math.round(x));

// After every event the counters say what the store says.
async function* counted(
  events: AsyncGenerator<TrainEvent, void, void>,
  read: () => void,
): AsyncGenerator<TrainEvent, void, void> {
  for await (const event of events) {
    read();
    yield event;
  }
  read();
}
