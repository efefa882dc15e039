// Values by name, where a program takes some of them.
import { feedMap } from './check-feeds.ts';
import type { HostTensor } from './host-tensor.ts';
import type { Feeds, Program } from './program.ts';

/** Those values that the program has an input for, in the order of its inputs; it refuses others. */
export function usedBy({ inputs }: Pick<Program, 'inputs'>, values: Feeds): Map<string, HostTensor> {
  const given = feedMap(values);
  const used = new Map<string, HostTensor>();
  for (const { name } of inputs) {
    const value = given.get(name);
    if (value) used.set(name, value);
  }
  return used;
}
