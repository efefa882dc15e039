// What a forward pass knows besides its input: whether this is training, and where random bits come from.
import { constant, input, type Tensor } from '@brickwork/graph';
import type { Parameter } from './parameter.ts';

/** Passed to every brick's `forward`. */
export interface Context {
  /** True while training: dropout drops, batch norm counts. */
  readonly training: boolean;
  /** int32 scalar from which this step's random bits are made; a graph input named `seed` while training. */
  readonly seed: Tensor;
  /**
   * Whether what belongs to this buffer stays as it is, though this is training: batch norm whose statistics are kept
   * normalises by them.
   */
  keeps(buffer: Parameter): boolean;
  /** A number of its own for each random brick, in the order in which they are traced. */
  stream(): number;
}

/** A context for inference: nothing is random. */
export function evaluating(): Context {
  return make(false, constant(Int32Array.of(0), []), () => true);
}

/**
 * A context for training: the graph gets an int32 input `seed`, to be different at every step.
 *
 * @param o which buffers stay as they are; none unless given
 */
export function training({ keeps = () => false }: Partial<Pick<Context, 'keeps'>> = {}): Context {
  return make(true, input('seed', [], 'int32'), keeps);
}

function make(isTraining: boolean, seed: Tensor, keeps: Context['keeps']): Context {
  let next = 0;
  return { training: isTraining, seed, keeps, stream: () => next++ };
}
