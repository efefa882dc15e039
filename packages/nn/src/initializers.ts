// First values of parameters. Fans follow PyTorch: of a weight (out, in, …kernel), fan-in is in x kernel.
import type { Random } from './random.ts';

/** Fills `data`, which holds a tensor of `shape`. */
export type Initializer = (data: Float32Array, shape: readonly number[], random: Random) => void;

/** Every value 0. */
export const zeros: Initializer = (data) => void data.fill(0);
/** Every value 1. */
export const ones: Initializer = (data) => void data.fill(1);
/** Every value the same. */
export const fill =
  (value: number): Initializer =>
  (data) =>
    void data.fill(value);

const each = (data: Float32Array, draw: () => number): void => {
  for (let i = 0; i < data.length; i++) data[i] = draw();
};

/** Uniform between two bounds. */
export const uniform =
  (low = 0, high = 1): Initializer =>
  (data, _shape, random) =>
    each(data, () => low + (high - low) * random.uniform());

/** Normal with a mean and a standard deviation. */
export const normal =
  (deviation = 1, mean = 0): Initializer =>
  (data, _shape, random) =>
    each(data, () => mean + deviation * random.normal());

/** Normal, drawn again where further than `bounds` standard deviations from the mean. */
export const truncatedNormal =
  (deviation = 1, { mean = 0, bounds = 2 }: { readonly mean?: number; readonly bounds?: number } = {}): Initializer =>
  (data, _shape, random) =>
    each(data, () => {
      for (;;) {
        const z = random.normal();
        if (Math.abs(z) <= bounds) return mean + deviation * z;
      }
    });

/** Fan-in and fan-out of a weight (out, in, …kernel), or (in, out) where `inFirst`. */
export function fans(shape: readonly number[], inFirst = false): { in: number; out: number } {
  if (shape.length < 2)
    throw new Error(`fans: (${shape.join(', ')}) has fewer than two axes; give biases another initialiser`);
  const kernel = shape.slice(2).reduce((a, b) => a * b, 1);
  const [a, b] = [shape[0]! * kernel, shape[1]! * kernel];
  return inFirst ? { in: a, out: b } : { in: b, out: a };
}

interface FanOptions {
  /** Uniform (default) or normal. */
  readonly distribution?: 'uniform' | 'normal';
  /** Multiplies the deviation. */
  readonly gain?: number;
  /** The weight is (in, out), as in GPT-2's Conv1D. */
  readonly inFirst?: boolean;
}
const scaled = (deviation: number, distribution: 'uniform' | 'normal'): Initializer =>
  distribution === 'normal' ? normal(deviation) : uniform(-Math.sqrt(3) * deviation, Math.sqrt(3) * deviation);

/** Deviation gain · sqrt(2 / (fan-in + fan-out)): keeps the variance both ways (Glorot and Bengio, 2010). */
export const xavier =
  ({ distribution = 'uniform', gain = 1, inFirst = false }: FanOptions = {}): Initializer =>
  (data, shape, random) => {
    const fan = fans(shape, inFirst);
    scaled(gain * Math.sqrt(2 / (fan.in + fan.out)), distribution)(data, shape, random);
  };

/** Deviation gain / sqrt(fan), gain √2 for ReLU: keeps the variance through rectifiers (He et al., 2015). */
export const kaiming =
  ({
    distribution = 'uniform',
    gain = Math.SQRT2,
    inFirst = false,
    mode = 'in',
  }: FanOptions & { readonly mode?: 'in' | 'out' } = {}): Initializer =>
  (data, shape, random) =>
    scaled(gain / Math.sqrt(fans(shape, inFirst)[mode]), distribution)(data, shape, random);
