// Stochastic gradient descent (Robbins and Monro, 1951) with momentum (Polyak, 1964; Nesterov, 1983), as PyTorch has it.
import type { Optimizer, OptimizerPart, Update } from './optimizer.ts';

/** SGD's constants. */
export interface SGDOptions {
  /** How much of the last direction is kept; 0 unless given. */
  readonly momentum?: number;
  /** Looks ahead along the momentum. */
  readonly nesterov?: boolean;
  /** Added to the gradient of decayed parts, times the weight; 0 unless given. */
  readonly weightDecay?: number;
}

/** u = μu + g + λw; w = w - ηu, or with Nesterov w = w - η(g + λw + μu). */
export function sgd(size: number, o: SGDOptions = {}): Optimizer {
  const { momentum = 0, nesterov = false, weightDecay = 0 } = o;
  if (!(momentum >= 0 && momentum < 1))
    throw new Error(`sgd: momentum is ${momentum}; needs 0 or more and less than 1`);
  if (nesterov && !momentum) throw new Error('sgd: nesterov needs a momentum above 0');
  const u = new Float32Array(momentum ? size : 0);
  return {
    name: 'sgd',
    state: { u },
    update(w: Float32Array, g: Float32Array, parts: readonly OptimizerPart[], { rate, scale }: Update): void {
      for (const { begin, end, decay } of parts) {
        const shrink = decay ? weightDecay : 0;
        for (let i = begin; i < end; i++) {
          const gi = g[i]! * scale + shrink * w[i]!;
          if (!momentum) {
            w[i] = w[i]! - rate * gi;
            continue;
          }
          const ui = momentum * u[i]! + gi;
          u[i] = ui;
          w[i] = w[i]! - rate * (nesterov ? gi + momentum * ui : ui);
        }
      }
    },
  };
}
