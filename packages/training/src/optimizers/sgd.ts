// Stochastic gradient descent (Robbins and Monro, 1951) with momentum (Polyak, 1964; Nesterov, 1983), as PyTorch has it.
import type { Arena } from '../arena.ts';
import { checkUpdate, type Optimizer, type OptimizerPart, type Update } from './optimizer.ts';

/** SGD's constants. */
export interface SGDOptions {
  /** How much of the last direction is kept; 0 unless given. */
  readonly momentum?: number;
  /** Looks ahead along the momentum. */
  readonly nesterov?: boolean;
  /** Added to the gradient of decayed parts, times the weight; 0 unless given. */
  readonly weightDecay?: number;
  /** Where the momentum is kept. */
  readonly arena?: Arena;
}

/** u = μu + g + λw; w = w - ηu, or with Nesterov w = w - η(g + λw + μu). Each step is computed in float64. */
export function sgd(size: number, o: SGDOptions = {}): Optimizer {
  const { momentum = 0, nesterov = false, weightDecay = 0, arena } = o;
  if (!(momentum >= 0 && momentum < 1))
    throw new Error(`sgd: momentum is ${momentum}; needs 0 or more and less than 1`);
  if (!(weightDecay >= 0)) throw new Error(`sgd: weightDecay is ${weightDecay}; needs 0 or more`);
  if (nesterov && !momentum) throw new Error('sgd: nesterov needs a momentum above 0');
  const length = momentum ? size : 0;
  const u = arena ? arena.take(length) : new Float32Array(length);
  return {
    name: 'sgd',
    state: { u },
    update(w: Float32Array, g: Float32Array, parts: readonly OptimizerPart[], update: Update): void {
      const { step, scale } = update;
      checkUpdate('sgd', size, w, g, step);
      for (const { begin, end, decay, rate: share = 1 } of parts) {
        const rate = update.rate * share;
        const shrink = decay ? weightDecay : 0;
        if (!momentum) for (let i = begin; i < end; i++) w[i] = w[i]! - rate * (g[i]! * scale + shrink * w[i]!);
        else
          for (let i = begin; i < end; i++) {
            const gi = g[i]! * scale + shrink * w[i]!;
            const ui = momentum * u[i]! + gi;
            u[i] = ui;
            w[i] = w[i]! - rate * (nesterov ? gi + momentum * ui : ui);
          }
      }
    },
  };
}
