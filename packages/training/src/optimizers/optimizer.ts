// What an optimizer is: state of the size of the weights, and one loop that updates both in place.

/** A range of the weights, and whether weight decay is for it. */
export interface OptimizerPart {
  readonly begin: number;
  readonly end: number;
  readonly decay: boolean;
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
  /** Arrays that a checkpoint must keep, by name. */
  readonly state: Readonly<Record<string, Float32Array>>;
  update(weights: Float32Array, grads: Float32Array, parts: readonly OptimizerPart[], update: Update): void;
}

/** Weight decay is for matrices, not for biases and norms, as in GPT-2's and nanoGPT's training. */
export const decays = (shape: readonly number[]): boolean => shape.length >= 2;

/** Square root of the sum of squares, in float64. */
export function norm(values: Float32Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]! * values[i]!;
  return Math.sqrt(total);
}
