// Fits a checkpoint's tensors to the parameters that a model has, and says clearly what doesn't fit.
import { show, type DType, type Shape } from '@brickwork/graph';
import type { HostTensor } from './host-tensor.ts';

/** What a model expects of one tensor. */
export interface ExpectedWeight {
  readonly shape: Shape;
  readonly dtype?: DType;
}

/** How strictly to fit. */
export interface AssignWeightsOptions {
  /** Opens the messages: who was loading; `loadWeights` unless given. */
  readonly who?: string;
  /** Tensors of the checkpoint that belong to no parameter and may be there (buffers, tied weights). */
  readonly ignore?: (name: string) => boolean;
  /** A likely cause, if there is one: what the architecture knows about names that are missing or left over. */
  readonly hint?: (missing: readonly string[], unexpected: readonly string[]) => string | undefined;
}

/**
 * The tensor of every expected weight, in the order of the expected ones; nothing is copied.
 *
 * @throws where weights are missing, left over, or of another shape or type: all of them are counted, some named.
 */
export function assignWeights(
  expected: ReadonlyMap<string, ExpectedWeight>,
  tensors: ReadonlyMap<string, HostTensor>,
  { who = 'loadWeights', ignore = () => false, hint }: AssignWeightsOptions = {},
): Map<string, HostTensor> {
  const missing = [...expected.keys()].filter((name) => !tensors.has(name));
  const unexpected = [...tensors.keys()].filter((name) => !expected.has(name) && !ignore(name));
  const advice = (): string =>
    ` ${hint?.(missing, unexpected) ?? renamed(missing, unexpected) ?? 'Does config.json belong to these weights?'}`;
  const left = `${some(unexpected)} ${unexpected.length === 1 ? 'belongs' : 'belong'} to no parameter`;
  if (missing.length) {
    const more = unexpected.length ? `, and ${left}` : '';
    throw new Error(
      `${who}: missing ${some(missing)} (${expected.size - missing.length} of ${expected.size} found)${more}.${advice()}`,
    );
  }
  if (unexpected.length) throw new Error(`${who}: ${left} (all ${expected.size} found).${advice()}`);
  const assigned = new Map<string, HostTensor>();
  const wrong: string[] = [];
  for (const [name, { shape, dtype = 'float32' }] of expected) {
    const tensor = tensors.get(name)!;
    const fits =
      tensor.shape.length === shape.length && shape.every((d, i) => typeof d === 'string' || d === tensor.shape[i]);
    if (!fits || tensor.dtype !== dtype)
      wrong.push(`${name} is ${tensor.dtype} ${show(tensor.shape)}, but the model needs ${dtype} ${show(shape)}`);
    assigned.set(name, tensor);
  }
  if (wrong.length) {
    const more = wrong.length > 1 ? `; ${wrong.length - 1} more of ${expected.size} don't fit` : '';
    throw new Error(`${who}: ${wrong[0]}${more}.${advice()}`);
  }
  return assigned;
}

/** A few names, and how many more. */
function some(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}

// The usual reason: a whole model saved from inside another (`transformer.wte.weight` for `wte.weight`), or the reverse.
function renamed(missing: readonly string[], unexpected: readonly string[]): string | undefined {
  const [name] = missing;
  if (name === undefined) return undefined;
  const left = new Set(unexpected);
  const longer = unexpected.find((u) => u.endsWith(`.${name}`));
  const prefix = longer?.slice(0, -name.length);
  if (prefix && missing.every((m) => left.has(prefix + m)))
    return `The checkpoint's names all start with ${prefix}; take that off.`;
  const shorter = unexpected.find((u) => name.endsWith(`.${u}`));
  const added = shorter === undefined ? undefined : name.slice(0, -shorter.length);
  if (added && missing.every((m) => m.startsWith(added) && left.has(m.slice(added.length))))
    return `The checkpoint's names lack ${added} in front; put it there.`;
  return undefined;
}
