// Adafactor (Shazeer and Stern, 2018): of a matrix' squared gradients only the means of rows and columns are kept, so that
// the state of the optimizer is next to nothing. As in transformers' Adafactor.
import { layout, type Part } from '../flat-store.ts';
import { checkUpdate, type Optimizer, type OptimizerPart, type Update } from './optimizer.ts';

/** Adafactor's constants. */
export interface AdafactorOptions {
  /** Added to squared gradients, and the least size of a parameter where steps are relative to it; 1e-30 and 1e-3 unless given. */
  readonly epsilons?: readonly [number, number];
  /** An update's root mean square is scaled down to this; 1 unless given. */
  readonly clipThreshold?: number;
  /** The mean of squared gradients forgets by 1 - t^this; -0.8 unless given. */
  readonly decayRate?: number;
  /** Share of the last update in the next; no momentum, and no memory for it, unless given. */
  readonly beta1?: number | null;
  /** Decay of the weights of decayed parts, per unit of step size; 0 unless given. */
  readonly weightDecay?: number;
  /** Makes steps relative to the parameter's own root mean square, as in the paper; false unless given. */
  readonly scaleParameter?: boolean;
  /** Multiplies the rate by min(0.01, 1/√t), the paper's schedule; false unless given: the rate is the step. */
  readonly relativeStep?: boolean;
}

/**
 * With G² = g² + ε₁ and β₂ = 1 - t^-0.8: a matrix keeps r = β₂r + (1-β₂) mean of G² by row, c the same by column, and
 * V = r c' / mean r; others keep V = β₂V + (1-β₂)G². u = g/√V, divided by max(1, RMS(u)/d); w = w - η(u + λw).
 *
 * @param parts of the weights: tensors of two axes or more are factored along the last two
 */
export function adafactor(parts: readonly Part[], size: number, o: AdafactorOptions = {}): Optimizer {
  const { epsilons = [1e-30, 1e-3], clipThreshold = 1, decayRate = -0.8, beta1 = null, weightDecay = 0 } = o;
  const { scaleParameter = false, relativeStep = false } = o;
  if (!(epsilons[0] > 0 && epsilons[1] > 0)) throw new Error(`adafactor: epsilons are ${epsilons}; need to be above 0`);
  if (!(clipThreshold > 0)) throw new Error(`adafactor: clipThreshold is ${clipThreshold}; needs a number above 0`);
  if (!(decayRate < 0)) throw new Error(`adafactor: decayRate is ${decayRate}; needs a number below 0`);
  if (beta1 !== null && !(beta1 >= 0 && beta1 < 1))
    throw new Error(`adafactor: beta1 is ${beta1}; needs 0 or more and less than 1`);
  if (!(weightDecay >= 0)) throw new Error(`adafactor: weightDecay is ${weightDecay}; needs 0 or more`);
  const isFactored = ({ shape }: Part): boolean => shape.length >= 2;
  const store = (some: readonly Part[], shapeOf: (shape: readonly number[]) => readonly number[]) => {
    const { parts: own, length } = layout(new Map(some.map(({ name, shape }) => [name, shapeOf(shape)])));
    const data = new Float32Array(length);
    return { parts: own, data, of: new Map(own.map((p) => [p.name, data.subarray(p.begin, p.end)])) };
  };
  const matrices = parts.filter(isFactored);
  const rows = store(matrices, (shape) => shape.slice(0, -1));
  const columns = store(matrices, (shape) => [...shape.slice(0, -2), shape.at(-1)!]);
  const whole = store(
    parts.filter((p) => !isFactored(p)),
    (shape) => shape,
  );
  const m = new Float32Array(beta1 === null ? 0 : size);
  const update = new Float32Array(Math.max(0, ...parts.map(({ begin, end }) => end - begin)));
  const byBegin = new Map(parts.map((p) => [p.begin, p]));
  return {
    name: 'adafactor',
    state: { row: rows.data, column: columns.data, v: whole.data, m },
    stateParts: { row: rows.parts, column: columns.parts, v: whole.parts },
    update(w: Float32Array, g: Float32Array, ranges: readonly OptimizerPart[], { step, rate, scale }: Update): void {
      checkUpdate('adafactor', size, w, g, step);
      const beta2 = 1 - step ** decayRate;
      const relative = relativeStep ? Math.min(1e-2, 1 / Math.sqrt(step)) : 1;
      for (const { begin, end, decay, rate: share = 1 } of ranges) {
        const part = byBegin.get(begin);
        if (!part || part.end !== end) throw new Error(`adafactor: no tensor lies from ${begin} to ${end}`);
        const n = end - begin;
        const grad = g.subarray(begin, end);
        if (isFactored(part)) {
          const [R, C] = part.shape.slice(-2) as [number, number];
          factored(
            update,
            grad,
            { R, C, beta2, scale, epsilon: epsilons[0] },
            rows.of.get(part.name)!,
            columns.of.get(part.name)!,
          );
        } else {
          const v = whole.of.get(part.name)!;
          for (let i = 0; i < n; i++) {
            const gi = grad[i]! * scale;
            v[i] = beta2 * v[i]! + (1 - beta2) * (gi * gi + epsilons[0]);
            update[i] = gi / Math.sqrt(v[i]!);
          }
        }
        const own =
          rate * share * relative * (scaleParameter ? Math.max(epsilons[1], rms(w.subarray(begin, end), n)) : 1);
        const length = own / Math.max(1, rms(update, n) / clipThreshold);
        const keep = 1 - (decay ? own * weightDecay : 0);
        for (let i = 0; i < n; i++) {
          let u = update[i]! * length;
          if (beta1 !== null) u = m[begin + i] = beta1 * m[begin + i]! + (1 - beta1) * u;
          w[begin + i] = w[begin + i]! * keep - u;
        }
      }
    },
  };
}

// Updates the means of rows and columns, and writes g/√V.
function factored(
  update: Float32Array,
  grad: Float32Array,
  { R, C, beta2, scale, epsilon }: { R: number; C: number; beta2: number; scale: number; epsilon: number },
  rows: Float32Array,
  columns: Float32Array,
): void {
  const sums = new Float64Array(C);
  for (let b = 0; b < grad.length / (R * C); b++) {
    sums.fill(0);
    let mean = 0;
    for (let r = 0; r < R; r++) {
      const at = (b * R + r) * C;
      let sum = 0;
      for (let c = 0; c < C; c++) {
        const gi = grad[at + c]! * scale;
        const square = gi * gi + epsilon;
        sum += square;
        sums[c]! += square;
      }
      const row = b * R + r;
      rows[row] = beta2 * rows[row]! + ((1 - beta2) * sum) / C;
      mean += rows[row]!;
    }
    mean /= R;
    for (let c = 0; c < C; c++) {
      const column = b * C + c;
      columns[column] = beta2 * columns[column]! + ((1 - beta2) * sums[c]!) / R;
      sums[c] = 1 / Math.sqrt(columns[column]!);
    }
    for (let r = 0; r < R; r++) {
      const at = (b * R + r) * C;
      const factor = scale / Math.sqrt(rows[b * R + r]! / mean);
      for (let c = 0; c < C; c++) update[at + c] = grad[at + c]! * factor * sums[c]!;
    }
  }
}

function rms(values: Float32Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += values[i]! * values[i]!;
  return Math.sqrt(sum / n);
}
