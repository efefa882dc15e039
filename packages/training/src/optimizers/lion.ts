// Lion (Chen et al., 2023, "Symbolic discovery of optimization algorithms"): steps of equal size in every direction, by the
// sign of a momentum. Half the state of AdamW; wants a rate three to ten times smaller, and as much more decay.
import type { Arena } from '../arena.ts';
import { checkUpdate, type Optimizer, type OptimizerPart, type Update } from './optimizer.ts';

/** Lion's constants. */
export interface LionOptions {
  /** Shares of the momentum in the direction, and in the momentum itself; 0.9 and 0.99 unless given. */
  readonly betas?: readonly [number, number];
  /** Decay of the weights of decayed parts, per unit of step size; 0 unless given. */
  readonly weightDecay?: number;
  /** Where the momentum is kept. */
  readonly arena?: Arena;
}

/** w = w - η(sign(β₁m + (1-β₁)g) + λw); m = β₂m + (1-β₂)g. */
export function lion(size: number, o: LionOptions = {}): Optimizer {
  const { betas = [0.9, 0.99], weightDecay = 0, arena } = o;
  for (const b of betas)
    if (!(b >= 0 && b < 1)) throw new Error(`lion: a beta is ${b}; needs 0 or more and less than 1`);
  if (!(weightDecay >= 0)) throw new Error(`lion: weightDecay is ${weightDecay}; needs 0 or more`);
  const m = arena ? arena.take(size) : new Float32Array(size);
  const [b1, b2] = betas;
  return {
    name: 'lion',
    state: { m },
    update(w: Float32Array, g: Float32Array, parts: readonly OptimizerPart[], { step, rate, scale }: Update): void {
      checkUpdate('lion', size, w, g, step);
      for (const { begin, end, decay, rate: share = 1 } of parts) {
        const own = rate * share;
        const keep = 1 - (decay ? own * weightDecay : 0);
        for (let i = begin; i < end; i++) {
          const gi = g[i]! * scale;
          const mi = m[i]!;
          w[i] = w[i]! * keep - own * Math.sign(b1 * mi + (1 - b1) * gi);
          m[i] = b2 * mi + (1 - b2) * gi;
        }
      }
    },
  };
}
