// config.json: the fields an architecture reads, checked, and those it must refuse.
import { blocksConfig } from '@brickwork/runtime';

interface ReadOptions {
  /** Other names of fields, which Hugging Face accepts too. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Fields whose value here would change the computation in a way that isn't implemented. */
  readonly refuse?: Readonly<Record<string, unknown>>;
}

/**
 * The fields of `defaults` from a config.json, each checked against its default's type. A field that is absent, or null
 * where the default isn't, takes the default, as in Hugging Face.
 */
export function readConfig<T extends object>(
  architecture: string,
  config: Readonly<Record<string, unknown>>,
  defaults: T,
  { refuse = {}, aliases = {} }: ReadOptions = {},
): T {
  const say = (field: string, value: unknown, needed: string): never => {
    throw new Error(`${architecture} config: ${field} is ${JSON.stringify(value)}; needs ${needed}`);
  };
  if (config['quantization_config'] && !blocksConfig(config))
    throw new Error(
      `${architecture} config: the weights are quantized (quantization_config), which isn't implemented; needs a float32, float16 or bfloat16 checkpoint, or one of lm quantize`,
    );
  for (const [field, bad] of Object.entries(refuse))
    if (config[field] === bad) say(field, bad, 'another value: this one is not implemented');
  const entries = Object.entries(defaults).map(([field, standard]: [string, unknown]) => {
    const value = config[field] ?? config[aliases[field] ?? field] ?? standard;
    if (typeof standard === 'number' || standard === null) {
      if (value === null) return [field, null];
      if (typeof value !== 'number' || !Number.isFinite(value)) say(field, value, 'a number');
      const isProbability = /(_pdrop|dropout(_prob)?)$/.test(field);
      const whole =
        !isProbability && !/_(theta|base)$/.test(field) && (standard === null || Number.isInteger(standard));
      if (whole && !(Number.isSafeInteger(value) && (value as number) > 0)) say(field, value, 'a whole number above 0');
      if (!whole && (value as number) < 0) say(field, value, 'a number from 0');
      if (isProbability && !((value as number) >= 0 && (value as number) < 1))
        say(field, value, 'a probability below 1');
    } else if (typeof value !== typeof standard) say(field, value, `a ${typeof standard}`);
    return [field, value];
  });
  return Object.fromEntries(entries) as T;
}
