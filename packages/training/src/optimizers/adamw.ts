// AdamW (Loshchilov and Hutter, 2019): Adam whose weight decay shrinks the weights and leaves the moments alone.
import { kernelsFor, type Arena } from '../arena.ts';
import { checkUpdate, type Optimizer, type OptimizerPart, type Update } from './optimizer.ts';

/** AdamW's constants. */
export interface AdamWOptions {
  /** Decay rates of the two moments; 0.9 and 0.999 unless given. */
  readonly betas?: readonly [number, number];
  /** Keeps the step finite where gradients vanish; 1e-8 unless given. */
  readonly epsilon?: number;
  /** Decay of the weights of decayed parts, per unit of step size; 0.01 unless given. */
  readonly weightDecay?: number;
  /** Where the moments are kept. With weights and gradients in the same arena, an update runs four numbers at a time. */
  readonly arena?: Arena;
}

/**
 * m = β₁m + (1-β₁)g; v = β₂v + (1-β₂)g²; w = w - η(λw + m̂ / (√v̂ + ε)) with m̂ = m/(1-β₁ᵗ), v̂ = v/(1-β₂ᵗ).
 *
 * Everything is computed in float32, in forms that keep its precision: differences (m + (g-m)(1-β₁)) rather than sums of
 * shares that don't add up to 1. The loop here and the SIMD kernel give the same bits.
 */
export function adamw(size: number, o: AdamWOptions = {}): Optimizer {
  const { betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = 0.01, arena } = o;
  for (const b of betas)
    if (!(b >= 0 && b < 1)) throw new Error(`adamw: a beta is ${b}; needs 0 or more and less than 1`);
  if (!(epsilon > 0)) throw new Error(`adamw: epsilon is ${epsilon}; needs a number above 0`);
  if (!(weightDecay >= 0)) throw new Error(`adamw: weightDecay is ${weightDecay}; needs 0 or more`);
  const [m, v] = [0, 1].map(() => (arena ? arena.take(size) : new Float32Array(size))) as [Float32Array, Float32Array];
  return {
    name: 'adamw',
    state: { m, v },
    update(w: Float32Array, g: Float32Array, parts: readonly OptimizerPart[], { step, rate, scale }: Update): void {
      checkUpdate('adamw', size, w, g, step);
      const numbers = {
        scale,
        a1: 1 - betas[0],
        a2: 1 - betas[1],
        correction: 1 / Math.sqrt(1 - betas[1] ** step),
        epsilon,
      };
      const kernels = kernelsFor(w, g, m, v);
      for (const part of parts) {
        const { end } = part;
        const own = rate * (part.rate ?? 1);
        const decay = part.decay ? own * weightDecay : 0;
        const stepSize = own / (1 - betas[0] ** step);
        let { begin } = part;
        if (kernels && begin % 4 === 0 && end - begin >= 4) {
          const { a1, a2, correction: c } = numbers;
          const at = (x: Float32Array, i: number): number => x.byteOffset + 4 * i;
          const middle = end - (end % 4);
          kernels.adamw(
            at(w, begin),
            at(g, begin),
            at(m, begin),
            at(v, begin),
            at(w, middle),
            scale,
            a1,
            a2,
            decay,
            stepSize,
            c,
            epsilon,
          );
          begin = middle;
        }
        updateRange(w, g, m, v, begin, end, { ...numbers, rate: stepSize, decay });
      }
    },
  };
}

interface Numbers {
  readonly scale: number;
  readonly a1: number;
  readonly a2: number;
  readonly decay: number;
  readonly rate: number;
  readonly correction: number;
  readonly epsilon: number;
}

function updateRange(
  w: Float32Array,
  g: Float32Array,
  m: Float32Array,
  v: Float32Array,
  begin: number,
  end: number,
  numbers: Numbers,
): void {
  const f = Math.fround;
  const [scale, a1, a2] = [f(numbers.scale), f(numbers.a1), f(numbers.a2)];
  const [decay, rate, correction, epsilon] = [
    f(numbers.decay),
    f(numbers.rate),
    f(numbers.correction),
    f(numbers.epsilon),
  ];
  for (let i = begin; i < end; i++) {
    const gi = f(g[i]! * scale);
    const mi = f(m[i]! + f(f(gi - m[i]!) * a1));
    const vi = f(v[i]! + f(f(f(gi * gi) - v[i]!) * a2));
    m[i] = mi;
    v[i] = vi;
    w[i] = f(w[i]! - f(f(w[i]! * decay) + f(f(rate * mi) / f(f(f(Math.sqrt(vi)) * correction) + epsilon))));
  }
}
