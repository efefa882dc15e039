// Rotary position embedding (Su et al., 2021): channel i and channel i + D/2 are a pair, turned by position × frequency i.
import {
  cast,
  concat,
  constant,
  cos,
  mul,
  range,
  show,
  sin,
  sizeOf,
  slice,
  sub,
  unsqueeze,
  type Tensor,
} from '@brickwork/graph';

/** Turns per position: `theta`^(-2i/D) for each of the D/2 pairs, and what the cosines and sines are multiplied with. */
export interface RotaryFrequencies {
  readonly frequencies: Float32Array;
  readonly scale: number;
}

type Scaling = Readonly<Record<string, unknown>>;

/**
 * The frequencies of a config.json: `rope_theta` and `rope_scaling` as Hugging Face reads them.
 *
 * - `linear`: positions divided by `factor` (Chen et al., 2023).
 * - `llama3`: long waves divided by `factor`, short ones kept, a ramp between (Llama 3.1).
 * - `yarn`: the same idea with a ramp in the pairs' index, and attention scaled (Peng et al., 2023).
 * - `dynamic`: plain up to `max_position_embeddings`, and no model here sees more.
 *
 * @param D how many channels turn.
 * @param context `max_position_embeddings`.
 * @throws where the scaling's type is not known or a field of it is missing.
 */
export function rotaryFrequencies(
  D: number,
  { theta, scaling, context }: { theta: number; scaling: Scaling | null; context: number },
): RotaryFrequencies {
  const plain = Array.from({ length: D / 2 }, (_, i) => theta ** ((-2 * i) / D));
  const done = (values: readonly number[], scale = 1): RotaryFrequencies => ({
    frequencies: Float32Array.from(values),
    scale,
  });
  if (!scaling) return done(plain);
  const type = scaling['rope_type'] ?? scaling['type'];
  const number = (name: string, standard?: number): number => {
    const value = scaling[name] ?? standard;
    if (typeof value !== 'number' || !(value > 0))
      throw new Error(`rope_scaling: ${name} is ${JSON.stringify(value)}; ${String(type)} needs a number above 0`);
    return value;
  };
  switch (type) {
    case 'default':
    case 'dynamic':
      return done(plain);
    case 'linear':
      return done(plain.map((f) => f / number('factor')));
    case 'llama3': {
      const [factor, low, high] = [number('factor'), number('low_freq_factor'), number('high_freq_factor')];
      const first = number('original_max_position_embeddings');
      return done(
        plain.map((f) => {
          const turns = (first * f) / (2 * Math.PI); // of a whole original context
          if (turns < low) return f / factor;
          if (turns > high) return f;
          const keep = (turns - low) / (high - low);
          return ((1 - keep) * f) / factor + keep * f;
        }),
      );
    }
    case 'yarn': {
      for (const field of ['mscale', 'mscale_all_dim', 'truncate'])
        if (scaling[field] !== undefined) throw new Error(`rope_scaling: ${field} of yarn is not implemented`);
      const first = number('original_max_position_embeddings', context);
      const factor = number('factor', context / first);
      const [fast, slow] = [number('beta_fast', 32), number('beta_slow', 1)];
      // The pair that turns so often within the original context.
      const pair = (turns: number): number => (D * Math.log(first / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
      const [low, high] = [Math.max(Math.floor(pair(fast)), 0), Math.min(Math.ceil(pair(slow)), D - 1)];
      const scale = number('attention_factor', factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1);
      return done(
        plain.map((f, i) => {
          const keep = 1 - Math.min(1, Math.max(0, (i - low) / (high === low ? 0.001 : high - low)));
          return (1 - keep) * (f / factor) + keep * f;
        }),
        scale,
      );
    }
    default:
      throw new Error(
        `rope_scaling: type ${JSON.stringify(type)} is not implemented; there are linear, dynamic, llama3, yarn`,
      );
  }
}

/** The cosine and sine of every position and pair: (T, D/2), or (B, 1, T, D/2) where positions differ by row. */
export interface Rotation {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** The rotation of int64 positions (B, T), or of 0 to T-1 for the axis T of `ids` (B, T). */
export function rotation({ frequencies, scale }: RotaryFrequencies, ids: Tensor, positions: Tensor | null): Rotation {
  const T = ids.shape[1]!;
  const counted =
    typeof T === 'number'
      ? constant(
          Float32Array.from({ length: T }, (_, t) => t),
          [T],
        )
      : cast(range(sizeOf(ids, 1), T), 'float32');
  const at = positions ? unsqueeze(unsqueeze(cast(positions, 'float32'), 1), 3) : unsqueeze(counted, 1); // (…, T, 1)
  const angle = mul(at, constant(frequencies, [frequencies.length])); // (…, T, D/2)
  const scaled = (x: Tensor): Tensor => (scale === 1 ? x : mul(x, scale));
  return { cos: scaled(cos(angle)), sin: scaled(sin(angle)) };
}

/** x (B, H, T, D) turned. */
export function rotate(x: Tensor, { cos: c, sin: s }: Rotation): Tensor {
  const D = x.shape.at(-1);
  if (typeof D !== 'number' || D % 2) throw new Error(`rotate: ${show(x.shape)}; needs an even last axis`);
  const axis = x.rank - 1;
  const first = slice(x, axis, 0, D / 2);
  const second = slice(x, axis, D / 2, D);
  return concat([sub(first.mul(c), second.mul(s)), second.mul(c).add(first.mul(s))], axis);
}
