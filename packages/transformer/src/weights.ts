// A checkpoint's tensors as the weights of a model: names in the model's own spelling, each where it belongs.
import { firstValue, type Parameter } from '@brickwork/nn';
import { assignWeights, hostTensor, type ExpectedWeight, type HostTensor } from '@brickwork/runtime';
import type { BuiltNetwork } from './architecture.ts';

/** How a checkpoint's names become the model's; see `Architecture`. */
export interface LoadWeightsOptions {
  /** The name in the model of a tensor; null where the tensor is not a weight. */
  readonly sanitize?: (name: string) => string | null;
  /** Names whose tensor stands in the model under another name and may be stored too; left out. */
  readonly tied?: readonly string[];
  /** What the checkpoint's names may have in front and the model's not, or the reverse. */
  readonly prefix?: string;
}

/** The name in the model of a checkpoint's tensor; null where it is none of the model's weights. */
export function nameInModel(
  name: string,
  parameters: ReadonlyMap<string, unknown>,
  { sanitize = (same) => same, tied = [], prefix = '' }: LoadWeightsOptions,
): string | null {
  const own = sanitize(name);
  if (own === null) return null;
  const spellings = [own, prefix + own, ...(own.startsWith(prefix) ? [own.slice(prefix.length)] : [])];
  return spellings.find((n) => parameters.has(n)) ?? (spellings.some((n) => tied.includes(n)) ? null : own);
}

const untied = (missing: readonly string[]): string | undefined =>
  missing.includes('lm_head.weight') && missing.length === 1
    ? 'The config has tie_word_embeddings: false; did you mean true?'
    : undefined;

/**
 * The values of every parameter of a model, from a checkpoint's tensors; nothing is copied.
 *
 * @throws where a parameter is missing, has another shape or isn't float32, or a tensor belongs to no parameter.
 */
export function loadWeights(
  parameters: ReadonlyMap<string, ExpectedWeight>,
  tensors: ReadonlyMap<string, HostTensor>,
  names: LoadWeightsOptions = {},
): Map<string, HostTensor> {
  const given = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors) {
    const own = nameInModel(name, parameters, names);
    if (own !== null) given.set(own, tensor);
  }
  return assignWeights(parameters, given, { hint: untied });
}

/** Weights fitted to a class that may be another than the checkpoint's. */
export interface FittedWeights {
  readonly weights: Map<string, HostTensor>;
  /** The checkpoint's tensors that the class has no place for: another head's, tied ones that are stored twice. */
  readonly unused: readonly string[];
  /** The parameters that the checkpoint lacks and that were given first values. */
  readonly initialized: readonly string[];
}

/** What to do about parameters that a checkpoint lacks. */
export interface FitOptions {
  /** Those of a new head get first values with `'initialize'`; an error unless given. */
  readonly missing?: 'error' | 'initialize';
  /** Decides the first values; 0 unless given. */
  readonly seed?: number;
  /** The class that was saved, where the checkpoint says so. */
  readonly savedAs?: string | undefined;
}

/** Fits a checkpoint's tensors to a network, which may be of another class of the same architecture. */
export class WeightFitter {
  readonly #built: BuiltNetwork;
  readonly #parameters: ReadonlyMap<string, Parameter>;
  // By the parameter's name, the checkpoint's.
  readonly #stored = new Map<string, string>();
  readonly #unused: string[] = [];
  // Of the unused, those whose place in the model isn't known either, and those that are tied to a parameter.
  readonly #unknown: string[] = [];
  readonly #tied: string[] = [];

  constructor(built: BuiltNetwork, parameters: ReadonlyMap<string, Parameter>) {
    this.#built = built;
    this.#parameters = parameters;
  }

  /** Whether a tensor is one of the model's weights. To be asked for each of the checkpoint's names, once. */
  wants(name: string): boolean {
    const { architecture } = this.#built;
    const own = nameInModel(name, this.#parameters, architecture);
    if (own !== null && this.#parameters.has(own) && !this.#stored.has(own)) {
      this.#stored.set(own, name);
      return true;
    }
    if (architecture.sanitize && architecture.sanitize(name) === null) return false;
    this.#unused.push(name);
    (own === null ? this.#tied : this.#unknown).push(name);
    return false;
  }

  /**
   * Tables that checkpoints may hold in the place of one that is missing: some tools keep another one of several tied
   * tensors (`lm_head.weight` and not the embeddings). To be read too, and given to `fit`. Usually none.
   */
  get substitutes(): readonly string[] {
    return this.#missingTable() === undefined ? [] : this.#tied.filter((name) => name.endsWith('.weight'));
  }

  // The one table of the vocabulary that is missing.
  #missingTable(): string | undefined {
    const absent = [...this.#parameters.keys()].filter((name) => !this.#stored.has(name));
    const tables = absent.filter((name) => {
      const { shape } = this.#parameters.get(name)!;
      return shape.length === 2 && shape[0] === (this.#built.network.config as { vocab_size?: number }).vocab_size;
    });
    return tables.length === 1 ? tables[0] : undefined;
  }

  /**
   * The weights, once `wants` has seen every name.
   *
   * @param tensors those that were wanted, and the substitutes, by the checkpoint's names
   * @throws where parameters are missing (of a head, unless they are to be initialized), or have another shape, or layers
   *   are left over that the checkpoint's own class should have.
   */
  fit(
    tensors: ReadonlyMap<string, HostTensor>,
    { missing = 'error', seed = 0, savedAs }: FitOptions = {},
  ): FittedWeights {
    const { architecture, className } = this.#built;
    const { prefix } = architecture;
    const given = new Map([...this.#stored].map(([own, stored]) => [own, tensors.get(stored)!]));
    const table = this.#missingTable();
    const substitute = this.substitutes.find(
      (name) => tensors.has(name) && String(tensors.get(name)!.shape) === String(this.#parameters.get(table!)!.shape),
    );
    if (substitute !== undefined) given.set(table!, tensors.get(substitute)!);
    const all = [...this.#parameters.keys()];
    const isBody = (name: string): boolean => prefix !== '' && name.startsWith(prefix);
    const absent = all.filter((name) => !given.has(name));
    const initialized: string[] = [];
    const unused = this.#unused.filter((name) => name !== substitute);
    const body = all.filter(isBody);
    const isAnotherModel = absent.filter((name) => !prefix || isBody(name)).length > (body.length || all.length) / 2;
    if (missing === 'initialize' && !isAnotherModel) {
      initialized.push(...absent);
      // A head of another size is a new one.
      for (const [name, tensor] of given)
        if (prefix && !isBody(name) && String(tensor.shape) !== String(this.#parameters.get(name)!.shape)) {
          initialized.push(name);
          unused.push(this.#stored.get(name)!);
        }
      for (const name of initialized) given.set(name, firstValue(this.#parameters.get(name)!, name, seed));
    }
    // Layers that are left over: the config has fewer than the checkpoint.
    const isOwnClass = savedAs === undefined || savedAs === className;
    const layers = isOwnClass ? this.#unknown.filter((name) => /(^|\.)\d+\./.test(name)) : [];
    const isLacking = all.some((name) => !given.has(name));
    for (const name of isLacking ? this.#unknown : layers) given.set(name, hostTensor(new Float32Array(0)));
    const weights = assignWeights(this.#parameters, given, {
      hint: (lacking) => {
        if (isOwnClass || isAnotherModel || !lacking.length) return untied(lacking);
        return `The checkpoint is a ${savedAs}, which has no such head; pass { missing: 'initialize' } to begin it anew and train it.`;
      },
    });
    return { weights, unused, initialized };
  }
}
