// What there is to know about one family of checkpoints: which classes it has, and how its weights are named.
import type { Network } from '@brickwork/nn';

/** The content of a config.json. */
export type Config = Readonly<Record<string, unknown>>;

/** One `model_type`. */
export interface Architecture {
  /** Builds each class, by Hugging Face's names for them. The first is built where nothing says which. */
  readonly classes: Readonly<Record<string, (config: Config) => Network>>;
  /**
   * What stands before the body's names in a class with a head ('bert.', 'transformer.'). Checkpoints with and without it
   * are read by classes with and without it. Empty where there is none.
   */
  readonly prefix: string;
  /** The name here of a tensor in a checkpoint; null where the tensor is not a weight, as old checkpoints' masks. */
  readonly sanitize?: (name: string) => string | null;
  /**
   * Names that a checkpoint may hold though the model has no such parameter: those of tied heads, and of parts from
   * pretraining that a class does without (BERT's pooler).
   */
  readonly tied?: readonly string[];
}

/** A network built from a config.json, and what it was built by. */
export interface BuiltNetwork {
  readonly network: Network;
  readonly architecture: Architecture;
  /** Hugging Face's name of the network's class. */
  readonly className: string;
}

/**
 * Builds the network that a config.json describes.
 *
 * @param known the architectures by `model_type`
 * @param className builds this class of the architecture; the first of the config's `architectures` unless given, or the
 *   architecture's first where the config names none
 * @throws where the `model_type` or the class isn't known, or the config asks for what isn't implemented.
 */
export function buildNetwork(
  config: Config,
  known: Readonly<Record<string, Architecture>>,
  className?: string,
): BuiltNetwork {
  const type = config['model_type'];
  if (typeof type !== 'string' || !Object.hasOwn(known, type))
    throw new Error(`config: model_type is ${JSON.stringify(type)}; known are ${Object.keys(known).join(', ')}`);
  const architecture = known[type]!;
  const { classes } = architecture;
  const named: unknown = Array.isArray(config['architectures']) ? config['architectures'][0] : undefined;
  const name = className ?? named ?? Object.keys(classes)[0]!;
  if (typeof name !== 'string' || !Object.hasOwn(classes, name))
    throw new Error(
      `config: ${type} has no class ${JSON.stringify(name)} here; known are ${Object.keys(classes).join(', ')}`,
    );
  return { network: classes[name]!(config), architecture, className: name };
}
