// One step of training as a compiled graph: batch and weights in, loss and gradients out.
import { gradients, input, recomputedGradients, type Tensor } from '@brickwork/graph';
import { evaluating, parameters, training } from '@brickwork/nn';
import { compile, hostTensor, type CompileOptions, type HostTensor } from '@brickwork/runtime';
import type { CausalLM } from '@brickwork/transformer';
import { collectGarbage } from './collect-garbage.ts';
import { findNotFinite, notFiniteText } from './diagnose.ts';
import { operations } from './operations.ts';
import type { TrainStep } from './train-step.ts';

/** Tokens and what should follow each: int64 (B, T), row-major. A label of -100 is left out of the loss. */
export interface Batch {
  readonly ids: BigInt64Array;
  readonly labels: BigInt64Array;
}

// Gradients larger than this together are worth the time to free the engine's copies of them.
const manyBytes = 2 ** 27;

/** Traces the loss of next-token prediction for batches of (B, T). */
export const traceLoss = (model: CausalLM, B: number, T: number, isTraining: boolean): Tensor =>
  trace(model, B, T, isTraining).loss;

// The loss, and the hidden states between the layers.
function trace(
  model: CausalLM,
  B: number,
  T: number,
  isTraining: boolean,
): { readonly loss: Tensor; readonly states: readonly Tensor[] } {
  const ids = input('input_ids', [B, T], 'int64');
  const labels = input('labels', [B, T], 'int64');
  const { last, all } = model.forward(ids, isTraining ? training() : evaluating());
  return { loss: model.loss(last, labels, { shift: false }), states: all };
}

/** The graph of a step on windows of (B, T) tokens: `loss`, and `grad.NAME` of each parameter named. */
export function traceWindows(
  model: CausalLM,
  B: number,
  T: number,
  { names, recompute = false }: { readonly names: readonly string[]; readonly recompute?: boolean },
): Record<string, Tensor> {
  const known = parameters(model);
  const { loss, states } = trace(model, B, T, true);
  const trained = names.map((name) => known.get(name)!);
  const slopes = recompute
    ? recomputedGradients(loss, trained, { checkpoints: states, weights: known.values() })
    : gradients(loss, trained);
  return { loss, ...Object.fromEntries(names.map((name, i) => [`grad.${name}`, slopes[i]!])) };
}

/**
 * Compiles next-token training for batches of (B, T). Weights and gradients are the arrays of the two maps, read and
 * written in place at every step; they must not share memory. `operations` is what one step's arithmetic is.
 */
export async function compileStep(
  model: CausalLM,
  {
    weights,
    grads,
    B,
    T,
    recompute = false,
  }: {
    weights: ReadonlyMap<string, HostTensor>;
    grads: ReadonlyMap<string, HostTensor>;
    B: number;
    T: number;
    /** Activation checkpointing by block, as in `networkStep`. */
    recompute?: boolean;
  },
  options: CompileOptions = {},
): Promise<TrainStep<Batch> & { readonly operations: number }> {
  const wanted = [...parameters(model)].filter(([name]) => grads.has(name));
  const graph = traceWindows(model, B, T, { names: wanted.map(([name]) => name), recompute });
  const step = await compile(graph, options);
  const bytes = wanted.reduce((sum, [name]) => sum + grads.get(name)!.data.byteLength, 0);
  // A large model's evaluation gives its memory back, for training to have.
  const memory = options.memory ?? (bytes > manyBytes ? 'plain' : 'arena');
  const evaluation = await compile({ loss: traceLoss(model, B, T, false) }, { ...options, memory });
  const value = hostTensor(new Float32Array(1), []);
  const into = { loss: value, ...Object.fromEntries(wanted.map(([name]) => [`grad.${name}`, grads.get(name)!])) };
  const random = step.inputs.some((i) => i.name === 'seed');
  const feeds = (batch: Batch): [string, HostTensor][] => [
    ...weights,
    ['input_ids', hostTensor(batch.ids, [B, T])],
    ['labels', hostTensor(batch.labels, [B, T])],
  ];
  return {
    operations: operations(Object.values(graph)),
    async run(batch, seed) {
      const own = feeds(batch);
      if (random) own.push(['seed', hostTensor(Int32Array.of(seed), [])]);
      await step.run(new Map(own), into);
      if (bytes > manyBytes) collectGarbage();
      return (value.data as Float32Array)[0]!;
    },
    async evaluate(batch) {
      const { loss: result } = await evaluation.run(new Map(feeds(batch)));
      return (result!.data as Float32Array)[0]!;
    },
    async diagnose(batch, seed) {
      const own = new Map([...feeds(batch), ['seed', hostTensor(Int32Array.of(seed), [])]]);
      const found = await findNotFinite(graph, own, { weights: new Set(weights.keys()), compile: options });
      return found && notFiniteText(found);
    },
    async dispose() {
      await step.dispose();
      await evaluation.dispose();
    },
  };
}
