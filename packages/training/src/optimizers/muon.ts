// Muon (Jordan et al., 2024): the momentum of a hidden matrix is made orthogonal, so that every direction of it is stepped
// along alike. Embeddings, heads, norms and biases are AdamW's.
import { constant, input, matmul, maximum, mul, sqrt, transpose, type Tensor } from '@brickwork/graph';
import { compile, hostTensor, type Program } from '@brickwork/runtime';
import type { Arena } from '../arena.ts';
import type { Part } from '../flat-store.ts';
import { adamw } from './adamw.ts';
import { checkUpdate, type Optimizer, type OptimizerPart, type Update } from './optimizer.ts';

/** Muon's constants. */
export interface MuonOptions {
  /** Share of the momentum that is kept; 0.95 unless given. */
  readonly momentum?: number;
  /** Looks ahead along the momentum; true unless given. */
  readonly nesterov?: boolean;
  /** Newton-Schulz iterations; 5 unless given. */
  readonly iterations?: number;
  /**
   * How long a step of an (R, C) matrix is, in the rate: `match_rms_adamw`, 0.2 √max(R, C), moves weights as far as AdamW
   * would, so that one rate serves all (Liu et al., 2025); `original`, √max(1, R/C). The first unless given.
   */
  readonly adjust?: 'match_rms_adamw' | 'original';
  /** Decay of the weights of decayed parts, per unit of step size; 0.01 unless given. */
  readonly weightDecay?: number;
  /** AdamW's, for all that isn't a hidden matrix. */
  readonly betas?: readonly [number, number];
  readonly epsilon?: number;
  /** Which parts are hidden matrices; those of two axes in numbered blocks unless given. */
  readonly isHidden?: (part: Part) => boolean;
  readonly arena?: Arena;
}

/** Whether a tensor is a matrix within a numbered block: 'transformer.h.0.mlp.c_fc.weight'. */
export const isHiddenMatrix = ({ name, shape }: Part): boolean =>
  shape.length === 2 && /(?:^|\.)(?:layers?|h|blocks?)\.\d+\./.test(name);

/** The coefficients of the quintic iteration that takes singular values near 1. */
const [a, b, c] = [3.4445, -4.775, 2.0315];

/** X = aX + (bA + cA²)X with A = XX', some times, of G divided by its norm: near the orthogonal matrix nearest to G. */
export function newtonSchulz(G: Tensor, iterations: number = 5): Tensor {
  const [R, C] = G.shape as [number, number];
  const norm = sqrt(mul(G, G).sum());
  let X = G.div(maximum(norm, constant(Float32Array.of(1e-7), [])));
  if (R > C) X = transpose(X);
  for (let i = 0; i < iterations; i++) {
    const A = matmul(X, X, { transB: true });
    const B = A.mul(b).add(matmul(A, A).mul(c));
    X = X.mul(a).add(matmul(B, X));
  }
  return R > C ? transpose(X) : X;
}

/**
 * m = m + (1-μ)(g - m); u = m, or with Nesterov g + μ(m - g); w = w(1 - ηλ) - η s newtonSchulz(u), s by `adjust`, as
 * PyTorch's Muon; in float32. Other parts as {@link adamw}.
 */
export function muon(parts: readonly Part[], size: number, o: MuonOptions = {}): Optimizer {
  const { momentum = 0.95, nesterov = true, iterations = 5, adjust = 'match_rms_adamw', weightDecay = 0.01 } = o;
  const { betas = [0.9, 0.95], epsilon = 1e-8, isHidden = isHiddenMatrix, arena } = o;
  if (!(momentum >= 0 && momentum < 1))
    throw new Error(`muon: momentum is ${momentum}; needs 0 or more and less than 1`);
  if (!(Number.isInteger(iterations) && iterations > 0))
    throw new Error(`muon: iterations is ${iterations}; needs a whole number above 0`);
  if (adjust !== 'match_rms_adamw' && adjust !== 'original')
    throw new Error(`muon: adjust is ${JSON.stringify(adjust)}; needs 'match_rms_adamw' or 'original'`);
  const others = adamw(size, { betas, epsilon, weightDecay, ...(arena && { arena }) });
  const m = others.state['m']!;
  const hidden = new Map(parts.filter(isHidden).map((part) => [part.begin, part]));
  const programs = new Map<string, Promise<Program>>();
  return {
    name: 'muon',
    state: others.state,
    // The second moments are AdamW's alone.
    stateParts: { v: parts.filter(({ begin }) => !hidden.has(begin)) },
    async update(w: Float32Array, g: Float32Array, ranges: readonly OptimizerPart[], now: Update): Promise<void> {
      const { step, rate, scale } = now;
      checkUpdate('muon', size, w, g, step);
      void others.update(
        w,
        g,
        ranges.filter(({ begin }) => !hidden.has(begin)),
        now,
      );
      for (const { begin, end, decay, rate: share = 1 } of ranges) {
        const part = hidden.get(begin);
        if (!part) continue;
        const [R, C] = part.shape as [number, number];
        const u = new Float32Array(end - begin);
        for (let i = begin; i < end; i++) {
          const gi = g[i]! * scale;
          const mi = (m[i] = m[i]! + (1 - momentum) * (gi - m[i]!));
          u[i - begin] = nesterov ? gi + momentum * (mi - gi) : mi;
        }
        const key = `${R}x${C}`;
        let program = programs.get(key);
        if (!program) {
          program = compile({ O: newtonSchulz(input('G', [R, C]), iterations) }, { memory: 'plain' });
          programs.set(key, program);
        }
        const { O } = await (await program).run({ G: hostTensor(u, [R, C]) });
        const direction = O!.data as Float32Array;
        const own = rate * share;
        const length = own * (adjust === 'original' ? Math.sqrt(Math.max(1, R / C)) : 0.2 * Math.sqrt(Math.max(R, C)));
        const keep = 1 - (decay ? own * weightDecay : 0);
        for (let i = begin; i < end; i++) w[i] = w[i]! * keep - length * direction[i - begin]!;
      }
    },
    async dispose() {
      for (const program of programs.values()) await (await program).dispose();
      programs.clear();
    },
  };
}
