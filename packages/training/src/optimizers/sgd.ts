// Stochastic gradient descent (Robbins and Monro, 1951) with momentum (Polyak, 1964; Nesterov, 1983), as PyTorch has it.
import { kernelsFor, type Arena } from '../arena.ts';
import { checkUpdate, type Optimizer, type OptimizerPart, type Update } from './optimizer.ts';

/** SGD's constants. */
export interface SGDOptions {
  /** How much of the last direction is kept; 0 unless given. */
  readonly momentum?: number;
  /** Looks ahead along the momentum. */
  readonly nesterov?: boolean;
  /** Added to the gradient of decayed parts, times the weight; 0 unless given. */
  readonly weightDecay?: number;
  /** Where the momentum is kept. With weights and gradients in the same arena, an update runs four numbers at a time. */
  readonly arena?: Arena;
}

/**
 * u = μu + g + λw; w = w - ηu, or with Nesterov w = w - η(g + λw + μu). With momentum everything is computed in float32, and the
 * loop here and the SIMD kernel give the same bits; without, each step in float64.
 */
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
        if (!momentum) {
          for (let i = begin; i < end; i++) w[i] = w[i]! - rate * (g[i]! * scale + shrink * w[i]!);
          continue;
        }
        const [ahead, kept] = nesterov ? [1, momentum] : [0, 1];
        const numbers = [scale, shrink, momentum, rate, ahead, kept] as const;
        const kernels = kernelsFor(w, g, u);
        let first = begin;
        if (kernels && begin % 4 === 0 && end - begin >= 4) {
          const at = (x: Float32Array, i: number): number => x.byteOffset + 4 * i;
          const middle = end - (end % 4);
          kernels.sgd(at(w, begin), at(g, begin), at(u, begin), at(w, middle), ...numbers);
          first = middle;
        }
        updateRange({ w, g, u }, [first, end], numbers);
      }
    },
  };
}

function updateRange(
  { w, g, u }: { readonly w: Float32Array; readonly g: Float32Array; readonly u: Float32Array },
  [begin, end]: readonly [number, number],
  numbers: readonly [scale: number, shrink: number, momentum: number, rate: number, ahead: number, kept: number],
): void {
  const f = Math.fround;
  const [scale, shrink, momentum, rate, ahead, kept] = numbers.map(f) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  for (let i = begin; i < end; i++) {
    const gi = f(f(g[i]! * scale) + f(w[i]! * shrink));
    const ui = f(f(u[i]! * momentum) + gi);
    u[i] = ui;
    w[i] = f(w[i]! - f(rate * f(f(gi * ahead) + f(ui * kept))));
  }
}
