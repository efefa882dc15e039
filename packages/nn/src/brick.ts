// What every brick has in common: it computes something from a tensor. Its gradient follows from its operators.
import type { Tensor } from '@brickwork/graph';
import type { Context } from './context.ts';

/** A layer. Parameters are properties, made in the constructor; see `parameters`. */
export interface Brick {
  /** The brick's result; `ctx` says whether this is training, and is left out by bricks that don't care. */
  forward(x: Tensor, ctx: Context): Tensor;
}
