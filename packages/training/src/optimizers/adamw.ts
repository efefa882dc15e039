// AdamW (Loshchilov and Hutter, 2019): Adam whose weight decay shrinks the weights and leaves the moments alone.
import type { Optimizer, OptimizerPart, Update } from './optimizer.ts';

/** AdamW's constants. */
export interface AdamWOptions {
  /** Decay rates of the two moments; 0.9 and 0.999 unless given. */
  readonly betas?: readonly [number, number];
  readonly epsilon?: number;
  /** Decay of the weights of decayed parts, per unit of step size; 0.01 unless given. */
  readonly weightDecay?: number;
}

/**
 * m = β₁m + (1-β₁)g; v = β₂v + (1-β₂)g²; w = w(1 - ηλ) - η m̂ / (√v̂ + ε) with m̂ = m/(1-β₁ᵗ), v̂ = v/(1-β₂ᵗ).
 * The moments are kept in float32, each step is computed in float64.
 */
export function adamw(size: number, o: AdamWOptions = {}): Optimizer {
  const { betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = 0.01 } = o;
  const [b1, b2] = betas;
  for (const b of betas)
    if (!(b >= 0 && b < 1)) throw new Error(`adamw: a beta is ${b}; needs 0 or more and less than 1`);
  const m = new Float32Array(size);
  const v = new Float32Array(size);
  return {
    name: 'adamw',
    state: { m, v },
    update(w: Float32Array, g: Float32Array, parts: readonly OptimizerPart[], { step, rate, scale }: Update): void {
      const c1 = rate / (1 - b1 ** step);
      const c2 = 1 / Math.sqrt(1 - b2 ** step);
      const [a1, a2] = [1 - b1, 1 - b2];
      for (const { begin, end, decay } of parts) {
        const keep = decay ? 1 - rate * weightDecay : 1;
        for (let i = begin; i < end; i++) {
          const gi = g[i]! * scale;
          const mi = m[i]! * b1 + gi * a1;
          const vi = v[i]! * b2 + gi * gi * a2;
          m[i] = mi;
          v[i] = vi;
          w[i] = w[i]! * keep - (c1 * mi) / (Math.sqrt(vi) * c2 + epsilon);
        }
      }
    },
  };
}
