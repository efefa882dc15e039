// Puts a checkpoint's tensors in a model's order, and says clearly what doesn't fit.
import { show, type Shape } from '@brickwork/graph';
import type { HostTensor } from '@brickwork/runtime';

interface Structure {
  readonly shape: Shape;
}

/** A few names, and how many more. */
function some(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}

/**
 * The values of every parameter of a model, from a checkpoint's tensors.
 *
 * @param tied names whose tensor stands in the model under another name and may be stored too; ignored.
 * @throws where a parameter is missing, has another shape or isn't float32, or a tensor belongs to no parameter.
 */
export function loadWeights(
  parameters: ReadonlyMap<string, Structure>,
  tensors: ReadonlyMap<string, HostTensor>,
  {
    sanitize = (name) => name,
    tied = [],
  }: { sanitize?: (name: string) => string | null; tied?: readonly string[] } = {},
): Map<string, HostTensor> {
  const given = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors) {
    const own = sanitize(name);
    if (own !== null && !(tied.includes(own) && !parameters.has(own))) given.set(own, tensor);
  }
  const missing = [...parameters.keys()].filter((name) => !given.has(name));
  if (missing.length) {
    const found = `${parameters.size - missing.length} of ${parameters.size} found`;
    const hint = missing.includes('lm_head.weight')
      ? 'The config has tie_word_embeddings: false; did you mean true?'
      : 'Does config.json belong to these weights?';
    throw new Error(`loadWeights: missing ${some(missing)} (${found}). ${hint}`);
  }
  const unknown = [...given.keys()].filter((name) => !parameters.has(name));
  if (unknown.length)
    throw new Error(`loadWeights: ${some(unknown)} belong to no parameter. Does config.json belong to these weights?`);
  const values = new Map<string, HostTensor>();
  for (const [name, { shape }] of parameters) {
    const tensor = given.get(name)!;
    if (String(tensor.shape) !== String(shape))
      throw new Error(`loadWeights: ${name} is ${show(tensor.shape)}; the config needs ${show(shape)}`);
    if (!(tensor.data instanceof Float32Array))
      throw new Error(`loadWeights: ${name} is ${tensor.dtype}; needs float32`);
    values.set(name, tensor);
  }
  return values;
}
