// What a forward pass knows besides its input: whether this is training, and where random bits come from.
import { constant, input, type Tensor } from '@brickwork/graph';

/** Passed to every brick's `forward`. */
export interface Context {
  /** True while training: dropout drops, batch norm counts. */
  readonly training: boolean;
  /** int32 scalar from which this step's random bits are made; a graph input named `seed` while training. */
  readonly seed: Tensor;
  /** A number of its own for each random brick, in the order in which they are traced. */
  stream(): number;
}

/** A context for inference: nothing is random. */
export function evaluating(): Context {
  return make(false, constant(Int32Array.of(0), []));
}

/** A context for training: the graph gets an int32 input `seed`, to be different at every step. */
export function training(): Context {
  return make(true, input('seed', [], 'int32'));
}

function make(isTraining: boolean, seed: Tensor): Context {
  let next = 0;
  return { training: isTraining, seed, stream: () => next++ };
}
