// A checkpoint's tensors as the weights of a model: names in the model's own spelling, each where it belongs.
import { assignWeights, type ExpectedWeight, type HostTensor } from '@brickwork/runtime';

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
  return assignWeights(parameters, given, {
    hint: (missing) =>
      missing.includes('lm_head.weight') && missing.length === 1
        ? 'The config has tie_word_embeddings: false; did you mean true?'
        : undefined,
  });
}
