// One step of training of any network on batches of named inputs. Batches of another shape get a graph of their own.
import { gradients, input, recomputedGradients, type DType, type Tensor } from '@brickwork/graph';
import {
  evaluating,
  parameters,
  training,
  type Context,
  type Network,
  type Outputs,
  type Parameter,
} from '@brickwork/nn';
import { compile, hostTensor, type CompileOptions, type HostTensor, type Program } from '@brickwork/runtime';
import { collectGarbage } from './collect-garbage.ts';
import type { NamedBatch } from './data/example-batches.ts';
import { findNotFinite, notFiniteText } from './diagnose.ts';
import type { TrainStep } from './train-step.ts';

/** The loss of one pass, a scalar, from what the network gives and takes. */
export type Objective = (outputs: Outputs, inputs: Readonly<Record<string, Tensor>>, ctx: Context) => Tensor;

/** The network's own loss of the labels that it is given. @throws where it has none. */
export const ownLoss: Objective = (outputs, inputs) => {
  if (!outputs['loss'])
    throw new Error(`training: the network gives no loss for the inputs ${Object.keys(inputs).join(', ')}`);
  return outputs['loss']();
};

/** What a step computes on. */
export interface NetworkStepOptions {
  /** Every parameter's values, frozen ones too; read at every step. */
  readonly weights: ReadonlyMap<string, HostTensor>;
  /** Gradients to write, for the parameters that are trained. They share no memory with the weights. */
  readonly grads: ReadonlyMap<string, HostTensor>;
  /** {@link ownLoss} unless given. */
  readonly objective?: Objective;
  /**
   * Values that a pass changes without a gradient, such as batch norm's running statistics: those outputs of the network
   * called `buffers.NAME` whose names are here are written to them after each step. The others stay as they are, and batch
   * norm normalises by them. Where this isn't given it normalises by the batch, and nothing is written.
   */
  readonly buffers?: ReadonlyMap<string, HostTensor>;
  readonly compile?: CompileOptions;
  /**
   * Keeps only the hidden states between the layers, and computes what is within a layer once more when its gradients are
   * computed (activation checkpointing): less memory for about a third more time. False unless given.
   */
  readonly recompute?: boolean;
  /** Which of the parameters that `grads` names a batch is to train; all of them unless given. */
  readonly trains?: (batch: NamedBatch) => ReadonlySet<string>;
  /** Graphs kept at once, the least recently used is dropped; 16 unless given. */
  readonly graphs?: number;
}

// Gradients larger than this together are worth the milliseconds to free the engine's copies of them.
const manyBytes = 2 ** 24;

/**
 * Training of those parameters of a network that `grads` names. Nothing is computed for the others but what the loss
 * itself needs: no gradient below the lowest trained one, and no activation is kept that no gradient reads.
 *
 * @throws where `grads` names no parameter, or one that isn't trainable.
 */
export function networkStep(network: Network, o: NetworkStepOptions): TrainStep<NamedBatch> {
  const { weights, grads, graphs = 16 } = o;
  trainedOf(network, grads.keys());
  const bytes = [...grads.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  const value = hostTensor(new Float32Array(1), []);
  const into = { loss: value, ...Object.fromEntries([...grads].map(([name, g]) => [`grad.${name}`, g])) };
  const buffers = o.buffers ?? new Map<string, HostTensor>();
  // Of memory of their own: what a graph reads it must not write to.
  const moved = new Map(
    [...buffers].map(([name, { shape }]) => {
      const { dtype } = parameters(network).get(name)!;
      const size = shape.reduce((a, b) => a * b, 1);
      return [name, hostTensor(dtype === 'int64' ? new BigInt64Array(size) : new Float32Array(size), shape)];
    }),
  );
  const kept = new Map<string, Program>();

  const programFor = async (batch: NamedBatch, isTraining: boolean): Promise<Program> => {
    const shapes = Object.entries(batch).map(([name, { shape }]) => `${name}:${shape.join('x')}`);
    const chosen = isTraining ? o.trains?.(batch) : undefined;
    const names = isTraining ? [...grads.keys()].filter((name) => chosen?.has(name) ?? true) : [];
    const which = isTraining ? `train ${chosen ? names.join() : ''}` : 'evaluate';
    const key = `${which} ${shapes.toSorted().join(' ')}`;
    const found = kept.get(key);
    if (found) {
      kept.delete(key);
      kept.set(key, found); // the last used stands last
      return found;
    }
    const { buffers: given, ...how } = o;
    const graph = traceStep(network, batch, {
      ...how,
      names,
      isTraining,
      ...(given && { buffers: [...given.keys()] }),
    });
    const program = await compile(graph, { memory: 'plain', ...o.compile });
    kept.set(key, program);
    if (kept.size > graphs) {
      const [oldest, dropped] = kept.entries().next().value!;
      kept.delete(oldest);
      await dropped.dispose();
    }
    return program;
  };
  const feedsOf = (program: Program, batch: NamedBatch, seed: number): Map<string, HostTensor> => {
    const feeds = new Map<string, HostTensor>();
    for (const { name, dtype } of program.inputs) {
      const tensor =
        batch[name] ?? weightOf(name, dtype) ?? (name === 'seed' ? hostTensor(Int32Array.of(seed), []) : null);
      if (!tensor) throw new Error(`training: no values for ${name}`);
      feeds.set(name, tensor);
    }
    return feeds;
  };
  // Counters are kept as float32 among the weights, and are int64 to the network.
  const weightOf = (name: string, dtype: DType): HostTensor | undefined => {
    const tensor = weights.get(name);
    return tensor && dtype === 'int64' && tensor.dtype === 'float32'
      ? hostTensor(
          BigInt64Array.from(tensor.data as Float32Array, (x) => BigInt(Math.round(x))),
          tensor.shape,
        )
      : tensor;
  };
  return {
    async run(batch, seed) {
      const program = await programFor(batch, true);
      const has = new Set(program.outputs.map(({ name }) => name));
      const changed = [...moved].filter(([name]) => has.has(`buffers.${name}`));
      const written = Object.fromEntries([
        ...Object.entries(into).filter(([name]) => !o.trains || has.has(name)),
        ...changed.map(([name, tensor]) => [`buffers.${name}`, tensor] as const),
      ]);
      await program.run(feedsOf(program, batch, seed), written);
      for (const [name, { data }] of changed) {
        const to = buffers.get(name)!.data as Float32Array;
        for (let i = 0; i < to.length; i++) to[i] = Number(data[i]);
      }
      if (bytes > manyBytes) collectGarbage();
      return (value.data as Float32Array)[0]!;
    },
    async evaluate(batch) {
      const program = await programFor(batch, false);
      const { loss } = await program.run(feedsOf(program, batch, 0), ['loss']);
      return Number(loss!.data[0]);
    },
    async diagnose(batch, seed) {
      const chosen = o.trains?.(batch);
      const names = [...grads.keys()].filter((name) => chosen?.has(name) ?? true);
      const graph = traceStep(network, batch, { ...(o.objective && { objective: o.objective }), names });
      const feeds = new Map([...weights, ...Object.entries(batch), ['seed', hostTensor(Int32Array.of(seed), [])]]);
      const found = await findNotFinite(graph, feeds, {
        weights: new Set(weights.keys()),
        ...(o.compile && { compile: o.compile }),
      });
      return found && notFiniteText(found);
    },
    async dispose() {
      const programs = [...kept.values()];
      kept.clear();
      for (const program of programs) await program.dispose();
    },
  };
}

// The parameters of these names.
function trainedOf(network: Network, names: Iterable<string>): Parameter[] {
  const known = parameters(network);
  return Array.from(names, (name) => {
    const parameter = known.get(name);
    if (!parameter) throw new Error(`training: ${name} is no parameter of the network`);
    if (!parameter.trainable) throw new Error(`training: ${name} is a buffer, which has no gradient`);
    return parameter;
  });
}

/** What a step's graph is made for. */
export interface TraceStepOptions extends Pick<NetworkStepOptions, 'objective' | 'recompute'> {
  /** The parameters whose gradients are computed. */
  readonly names: readonly string[];
  /** Whether dropout drops; true unless given. */
  readonly isTraining?: boolean;
  /** The buffers whose next values are given too, where the pass changes them; the others stay. */
  readonly buffers?: readonly string[];
}

/**
 * The graph of a step on batches of this one's shapes: `loss`, `grad.NAME` of each parameter named, and `buffers.NAME`.
 *
 * @throws where a name is no parameter, or one that isn't trainable.
 */
export function traceStep(
  network: Network,
  batch: Readonly<Record<string, Pick<HostTensor, 'shape' | 'dtype'>>>,
  { names, objective = ownLoss, recompute = false, isTraining = true, buffers }: TraceStepOptions,
): Record<string, Tensor> {
  const trained = trainedOf(network, names);
  const inputs = Object.fromEntries(
    Object.entries(batch).map(([name, { shape, dtype }]) => [name, input(name, shape, dtype)]),
  );
  const moved = buffers && new Set(buffers);
  const ctx = isTraining ? training(moved && { keeps: ({ name }) => !moved.has(name!) }) : evaluating();
  // What only the objective knows stays with it.
  const own = Object.fromEntries(Object.entries(inputs).filter(([name]) => Object.hasOwn(network.inputs, name)));
  const outputs = network.trace(own, ctx);
  const loss = objective(outputs, inputs, ctx);
  const slopes =
    recompute && names.length
      ? recomputedGradients(loss, trained, {
          checkpoints: hiddenStates(outputs),
          weights: parameters(network).values(),
        })
      : gradients(loss, trained);
  const changed = (buffers ?? []).map((name) => `buffers.${name}`).filter((name) => isTraining && outputs[name]);
  return {
    loss,
    ...Object.fromEntries(slopes.map((g, i) => [`grad.${names[i]!}`, g])),
    ...Object.fromEntries(changed.map((name) => [name, outputs[name]!()])),
  };
}

/** The hidden states between the layers of a pass, of encoder and decoder where there are both. */
export const hiddenStates = (outputs: Outputs): Tensor[] =>
  Object.entries(outputs).flatMap(([name, trace]) => (/(?:^|_)hidden_states\.\d+$/.test(name) ? [trace()] : []));
