// What an optimizer is: state of the size of the weights, and one loop that updates both in place.
import type { Part } from '../flat-store.ts';

/** A range of the weights, and whether weight decay is for it. */
export interface OptimizerPart {
  readonly begin: number;
  readonly end: number;
  readonly decay: boolean;
  /** Its share of the step size; 1 unless given. */
  readonly rate?: number;
}

/** One update's numbers. */
export interface Update {
  /** Counted from 1. */
  readonly step: number;
  /** Step size. */
  readonly rate: number;
  /** Multiplies the gradients first: for clipping and for means over accumulated batches. */
  readonly scale: number;
}

/** Updates weights in place. */
export interface Optimizer {
  readonly name: string;
  /** Arrays that a checkpoint must keep, by name; each as long as the weights, or empty. */
  readonly state: Readonly<Record<string, Float32Array>>;
  /** The parts of those arrays of the state that are not laid out as the weights are. */
  readonly stateParts?: Readonly<Record<string, readonly Part[]>>;
  /** Settles when the weights are updated; at once where nothing is returned. */
  update(
    weights: Float32Array,
    grads: Float32Array,
    parts: readonly OptimizerPart[],
    update: Update,
  ): void | Promise<void>;
  /** Frees what the engine holds for it. */
  dispose?(): Promise<void>;
}

/** Weight decay is for matrices, not for biases and norms, as in GPT-2's and nanoGPT's training. */
export const decays = (shape: readonly number[]): boolean => shape.length >= 2;

/**
 * The parts of a store as an optimizer takes them; which decay is decided by shape and name.
 *
 * @param rates each part's share of the step size, see `layerRates`
 */
export function decayGroups(
  parts: readonly Part[],
  decay: (shape: readonly number[], name: string) => boolean = decays,
  rates: readonly number[] | null = null,
): OptimizerPart[] {
  return parts.map(({ begin, end, shape, name }, i) => ({
    begin,
    end,
    decay: decay(shape, name),
    ...(rates && { rate: rates[i]! }),
  }));
}

/** Refuses arrays of another size than the optimizer was made for, and steps that aren't counted from 1. */
export function checkUpdate(who: string, size: number, w: Float32Array, g: Float32Array, step: number): void {
  if (w.length !== size || g.length !== size)
    throw new Error(`${who}: made for ${size} weights; got ${w.length} weights and ${g.length} gradients`);
  if (!(Number.isInteger(step) && step > 0)) throw new Error(`${who}: step is ${step}; steps are counted from 1`);
}
