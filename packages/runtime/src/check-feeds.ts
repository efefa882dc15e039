// Are these the inputs that the program needs? Checked at every run, so that a mistake is named and not computed with.
import { show } from '@brickwork/graph';
import type { InputSpec } from './compile.ts';
import type { HostTensor } from './host-tensor.ts';

/** @throws where an input is missing, unknown, of another type or shape, or a named size has two values. */
export function checkFeeds(inputs: readonly InputSpec[], feeds: ReadonlyMap<string, HostTensor>): void {
  const sizes = new Map<string, { size: number; by: string }>();
  for (const { name, shape, dtype } of inputs) {
    const given = feeds.get(name);
    if (!given) throw new Error(`run: missing input ${name}; needs ${dtype} ${show(shape)}`);
    const fail = (why: string): never => {
      throw new Error(
        `run: input ${name} is ${given.dtype} ${show(given.shape)}; needs ${dtype} ${show(shape)}: ${why}`,
      );
    };
    if (given.dtype !== dtype) fail('another type');
    if (given.shape.length !== shape.length) fail(`${shape.length} axes`);
    for (let i = 0; i < shape.length; i++) {
      const [wanted, size] = [shape[i]!, given.shape[i]!];
      if (typeof wanted === 'number') {
        if (wanted >= 0 && wanted !== size) fail(`axis ${i} is ${size}, not ${wanted}`);
      } else if (wanted) {
        const known = sizes.get(wanted);
        if (!known) sizes.set(wanted, { size, by: name });
        else if (known.size !== size) fail(`${wanted} is ${size} here and ${known.size} in ${known.by}`);
      }
    }
  }
  if (feeds.size > inputs.length) {
    const known = new Set(inputs.map((i) => i.name));
    for (const name of feeds.keys())
      if (!known.has(name)) throw new Error(`run: no input ${name}; there are ${[...known].join(', ')}`);
  }
}
