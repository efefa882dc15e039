// Rotary position embedding (Su et al., 2021): channel i and channel i + D/2 are a pair, turned by position × frequency i.
import {
  cast,
  concat,
  constant,
  cos,
  exp,
  greater,
  log,
  max,
  maximum,
  mul,
  range,
  scalar,
  show,
  sin,
  sizeOf,
  slice,
  sub,
  unsqueeze,
  where,
  type Tensor,
} from '@brickwork/graph';

/** How fast each pair turns. */
export interface RotaryFrequencies {
  /** Radians per position: `theta`^(-2i/D) for each of the D/2 pairs, scaled. */
  readonly frequencies: Float32Array;
  /** The cosines and sines are multiplied with it. */
  readonly scale: number;
  /** How many positions they are made for; Infinity where they follow the text's length. */
  readonly reach: number;
  /** What the frequencies of a text are multiplied with, by its length: float32 (…, 1) to (…, D/2); 1 unless given. */
  readonly stretch?: (length: Tensor) => Tensor;
}

type Scaling = Readonly<Record<string, unknown>>;

/** What a config.json says of rotary positions. */
export interface RopeConfig {
  readonly theta: number;
  /** `rope_scaling` or `rope_parameters`; null where there is none. */
  readonly scaling: Scaling | null;
  /** `max_position_embeddings`. */
  readonly context: number;
}

/**
 * Reads `rope_theta` and `rope_scaling`, or `rope_parameters`, which newer configurations have in place of both.
 *
 * @param theta where the config gives none
 * @param context `max_position_embeddings`
 * @param layerType which of the `rope_parameters` is read where they differ by the layers' type
 * @throws where a field isn't what it should be, or only a part of the channels would turn.
 */
export function readRope(
  architecture: string,
  config: Readonly<Record<string, unknown>>,
  { theta, context, layerType = 'full_attention' }: { theta: number; context: number; layerType?: string },
): RopeConfig {
  const object = (name: string, value: unknown): Scaling | null => {
    if (value === null || value === undefined) return null;
    if (typeof value !== 'object' || Array.isArray(value))
      throw new Error(`${architecture} config: ${name} is ${JSON.stringify(value)}; needs an object or null`);
    return value as Scaling;
  };
  const all = object('rope_parameters', config['rope_parameters']);
  const parameters =
    all && Object.hasOwn(all, layerType) ? object(`rope_parameters.${layerType}`, all[layerType]) : all;
  const found = object('rope_scaling', config['rope_scaling']) ?? parameters;
  const base = found?.['rope_theta'] ?? parameters?.['rope_theta'] ?? config['rope_theta'] ?? theta;
  if (typeof base !== 'number' || !(base > 0))
    throw new Error(`${architecture} config: rope_theta is ${JSON.stringify(base)}; needs a number above 0`);
  const part = found?.['partial_rotary_factor'] ?? config['partial_rotary_factor'] ?? 1;
  if (part !== 1)
    throw new Error(
      `${architecture} config: partial_rotary_factor is ${JSON.stringify(part)}; only 1 is implemented for ${architecture}`,
    );
  const original = config['original_max_position_embeddings'];
  const scaling = found && original !== undefined ? { original_max_position_embeddings: original, ...found } : found;
  return { theta: base, scaling, context };
}

/**
 * The frequencies of a config.json, as Hugging Face reads it. By `rope_type` or `type` of the scaling:
 *
 * - `linear`: positions divided by `factor` (Chen et al., 2023).
 * - `dynamic`: beyond `max_position_embeddings` M the base grows with the length L of the text, to
 *   theta · (factor · L / M - factor + 1)^(D / (D - 2)). With a cache of keys, each key stays turned by the base that was
 *   right when it was computed, as in Hugging Face's `generate`; so beyond M a step differs from a pass over the whole.
 * - `llama3`: long waves divided by `factor`, short ones kept, a ramp between (Llama 3.1).
 * - `yarn`: the same idea with a ramp in the pairs' index, and attention scaled (Peng et al., 2023).
 * - `longrope`: each pair divided by its own of `short_factor`, and of `long_factor` for texts longer than the original
 *   context (Ding et al., 2024).
 *
 * @param D how many channels turn.
 * @throws where the scaling's type is not known or a field of it is missing.
 */
export function rotaryFrequencies(D: number, { theta, scaling, context }: RopeConfig): RotaryFrequencies {
  const plain = Array.from({ length: D / 2 }, (_, i) => theta ** ((-2 * i) / D));
  const done = (values: readonly number[], scale = 1, reach = context): RotaryFrequencies => ({
    frequencies: Float32Array.from(values),
    scale,
    reach,
  });
  const type = scaling?.['rope_type'] ?? scaling?.['type'];
  if (!scaling || (type === undefined && scaling['factor'] === undefined)) return done(plain);
  const number = (name: string, standard?: number): number => {
    const value = scaling[name] ?? standard;
    if (typeof value !== 'number' || !(value > 0))
      throw new Error(`rope_scaling: ${name} is ${JSON.stringify(value)}; ${String(type)} needs a number above 0`);
    return value;
  };
  switch (type) {
    case 'default':
      return done(plain);
    case 'linear': {
      const factor = number('factor');
      return done(
        plain.map((f) => f / factor),
        1,
        context * Math.max(1, factor),
      );
    }
    case 'dynamic': {
      const factor = number('factor');
      const powers = Float32Array.from(plain, (_, i) => (i ? (-2 * i) / (D - 2) : 0));
      const stretch = (length: Tensor): Tensor => {
        const growth = maximum(sub(mul(length, factor / context), factor - 1), 1);
        return exp(mul(log(growth), constant(powers, [D / 2])));
      };
      return { ...done(plain, 1, Infinity), stretch };
    }
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
      const first = number('original_max_position_embeddings', context);
      const factor = number('factor', context / first);
      const [fast, slow] = [number('beta_fast', 32), number('beta_slow', 1)];
      const truncate = scaling['truncate'] ?? true;
      if (typeof truncate !== 'boolean')
        throw new Error(`rope_scaling: truncate is ${JSON.stringify(truncate)}; yarn needs true or false`);
      // The pair that turns so often within the original context.
      const pair = (turns: number): number => (D * Math.log(first / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
      const [from, to] = [pair(fast), pair(slow)];
      const [low, high] = [
        Math.max(truncate ? Math.floor(from) : from, 0),
        Math.min(truncate ? Math.ceil(to) : to, D - 1),
      ];
      const scaled = (m: number): number => (factor <= 1 ? 1 : 0.1 * m * Math.log(factor) + 1);
      const both = scaling['mscale'] && scaling['mscale_all_dim'];
      const standard = both ? scaled(number('mscale')) / scaled(number('mscale_all_dim')) : scaled(1);
      return done(
        plain.map((f, i) => {
          const keep = 1 - Math.min(1, Math.max(0, (i - low) / (high === low ? 0.001 : high - low)));
          return (1 - keep) * (f / factor) + keep * f;
        }),
        number('attention_factor', standard),
        Math.max(context, first * factor),
      );
    }
    case 'longrope': {
      const first = number('original_max_position_embeddings', context);
      // How much longer the context has become; `factor` says it where the config doesn't give the original.
      const factor = first === context ? number('factor', 1) : context / first;
      const divisors = (name: string): number[] => {
        const values: unknown = scaling[name];
        if (!Array.isArray(values) || values.length !== D / 2 || !values.every((v) => typeof v === 'number' && v > 0))
          throw new Error(
            `rope_scaling: ${name} is ${JSON.stringify(values)}; longrope needs ${D / 2} numbers above 0`,
          );
        return values as number[];
      };
      const [short, long] = [divisors('short_factor'), divisors('long_factor')];
      const ratio = constant(
        Float32Array.from(short, (s, i) => s / long[i]!),
        [D / 2],
      );
      const standard = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(first));
      return {
        ...done(
          plain.map((f, i) => f / short[i]!),
          number('attention_factor', standard),
        ),
        stretch: (length) => where(greater(length, first), ratio, 1),
      };
    }
    default:
      throw new Error(
        `rope_scaling: type ${JSON.stringify(type)} is not implemented; there are linear, dynamic, llama3, yarn, longrope`,
      );
  }
}

/** The cosine and sine of every position and pair: (T, D/2), or (B, 1, T, D/2) where positions differ by row. */
export interface Rotation {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** Where the tokens stand. */
export interface RotationOptions {
  /** int64 (B, T) or (1, T); 0 to T-1 unless given. */
  readonly positions?: Tensor | undefined;
  /** How long the text is for each row, int64 (B, 1), or each token, (B, T), where frequencies depend on it; up to the last position of all unless given. */
  readonly lengths?: Tensor | undefined;
}

/** The rotation of the tokens `ids` (B, T). */
export function rotation(
  { frequencies, scale, stretch }: RotaryFrequencies,
  ids: Tensor,
  { positions, lengths }: RotationOptions = {},
): Rotation {
  const T = ids.shape[1]!;
  const counted =
    typeof T === 'number'
      ? constant(
          Float32Array.from({ length: T }, (_, t) => t),
          [T],
        )
      : cast(range(sizeOf(ids, 1), T), 'float32');
  const perToken = (x: Tensor): Tensor => unsqueeze(unsqueeze(cast(x, 'float32'), 1), 3); // (B, 1, T, 1)
  const at = positions ? perToken(positions) : unsqueeze(counted, 1); // (…, T, 1)
  const plain = constant(frequencies, [frequencies.length]);
  const length = (): Tensor => {
    if (lengths) return perToken(lengths); // (B, 1, 1, 1)
    if (positions) return max(cast(positions, 'float32')).add(1);
    return typeof T === 'number' ? scalar(T) : cast(sizeOf(ids, 1), 'float32');
  };
  const angle = mul(at, stretch ? mul(plain, stretch(length())) : plain); // (…, T, D/2)
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
