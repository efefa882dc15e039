// Bricks one after the other, numbered as in torch.nn.Sequential, so that weights are called `0.weight`, `2.weight`, ….
import { GraphError, type Tensor } from '@brickwork/graph';
import type { Brick } from './brick.ts';
import type { Context } from './context.ts';

/** A step of {@link Sequential}: a brick, or a function that has no parameters. */
export type Step = Brick | ((x: Tensor) => Tensor);

/** Feeds each step's result to the next: `new Sequential(new Linear(4, 8), relu, new Linear(8, 2))`. */
export class Sequential implements Brick {
  readonly [index: number]: Step;
  /** How many steps there are. */
  readonly length: number;
  constructor(...steps: readonly Step[]) {
    steps.forEach((step, i) => {
      if (typeof step !== 'function' && typeof (step as Partial<Brick> | null)?.forward !== 'function')
        throw new GraphError(`Sequential: step ${i} is neither a brick with a forward method nor a function`);
    });
    Object.assign(this, steps);
    this.length = steps.length;
  }
  forward(x: Tensor, ctx: Context): Tensor {
    let y = x;
    for (let i = 0; i < this.length; i++) {
      const step = this[i]!;
      y = typeof step === 'function' ? step(y) : step.forward(y, ctx);
    }
    return y;
  }
}
