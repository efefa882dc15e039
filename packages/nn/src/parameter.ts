// Parameters: the leaves of a network that training changes. A parameter is structure (a shape and how to begin); its
// values live outside, in a Map by name, so that every graph of a model shares one copy.
import { Tensor, count } from '@brickwork/graph';
import type { Initializer } from './initializers.ts';
import { random, streamSeed } from './random.ts';

/** What a parameter may be besides trained numbers. */
export interface ParameterOptions {
  /** Whether gradients change it; true unless given. */
  readonly trainable?: boolean;
  /** int64 for counters, which have no gradient; float32 unless given. */
  readonly dtype?: 'float32' | 'int64';
}

/** An input of the graph that is stored with the model. Its name is its path there: see {@link parameters}. */
export class Parameter extends Tensor {
  /** How its values begin. */
  readonly initializer: Initializer;
  /** Whether gradients change it; not so for a {@link buffer}. */
  readonly trainable: boolean;
  constructor(
    shape: readonly number[],
    initializer: Initializer,
    { trainable: isTrainable = true, dtype = 'float32' }: ParameterOptions = {},
  ) {
    super({ shape, dtype });
    this.initializer = initializer;
    this.trainable = isTrainable;
  }
}

/** A parameter of the given shape. */
export const parameter = (shape: readonly number[], initializer: Initializer): Parameter =>
  new Parameter(shape, initializer);

/** Values that are loaded and saved with the weights but have no gradient, such as batch norm's running mean. */
export const buffer = (
  shape: readonly number[],
  initializer: Initializer,
  o: Pick<ParameterOptions, 'dtype'> = {},
): Parameter => new Parameter(shape, initializer, { ...o, trainable: false });

/** Those of {@link parameters} that gradients change. */
export const trainable = (model: object): Map<string, Parameter> =>
  new Map([...parameters(model)].filter(([, p]) => p.trainable));

/**
 * Every parameter of a model by its path (`transformer.h.0.attn.c_attn.weight`), in the order of construction. A brick
 * is any object; its parameters are found by walking its properties, and named on the way. One that stands in two
 * places (tied weights) is listed once, by its first path.
 *
 * @throws where a parameter already carries another name: it belongs to another model.
 */
export function parameters(model: object): Map<string, Parameter> {
  const found = new Map<string, Parameter>();
  const seen = new Set<object>();
  const walk = (brick: object, path: string): void => {
    if (seen.has(brick)) return;
    seen.add(brick);
    for (const [key, value] of Object.entries(brick)) {
      if (typeof value !== 'object' || value === null) continue;
      const at = path ? `${path}.${key}` : key;
      if (value instanceof Parameter) {
        if (seen.has(value)) continue;
        seen.add(value);
        if (value.name !== null && value.name !== at)
          throw new Error(`parameters: ${at} is already called ${value.name}; a parameter belongs to one model`);
        value.name = at;
        found.set(at, value);
      } else if (!(value instanceof Tensor) && !ArrayBuffer.isView(value)) walk(value as object, at);
    }
  };
  walk(model, '');
  return found;
}

/** The values of one parameter. Those of an int64 counter are a BigInt64Array; see {@link firstValue}. */
export interface ParameterValue {
  readonly data: Float32Array;
  readonly shape: readonly number[];
  readonly dtype: 'float32';
}

/**
 * First values of one parameter, from a stream of random numbers of its own, made from the seed and its name: adding a
 * brick to a network doesn't change the others. A counter's are int64, which the type leaves out as hardly anyone reads
 * them.
 */
export function firstValue(p: Parameter, name: string, seed: number): ParameterValue {
  const shape = p.shape as number[];
  const data = new Float32Array(count(shape)!);
  p.initializer(data, shape, random(streamSeed(seed, name)));
  if (p.dtype === 'int64')
    return { data: BigInt64Array.from(data, (v) => BigInt(v)), shape, dtype: 'int64' } as unknown as ParameterValue;
  return { data, shape, dtype: 'float32' };
}

/** {@link firstValue} for every parameter of a model. */
export function initialize(model: object, seed = 0): Map<string, ParameterValue> {
  return new Map([...parameters(model)].map(([name, p]) => [name, firstValue(p, name, seed)]));
}
