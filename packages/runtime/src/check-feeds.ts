// Are these the inputs that the program needs, and the outputs that it has? Checked at every run, so that a mistake is
// named and not computed with.
import { show } from '@brickwork/graph';
import { problem, type HostTensor } from './host-tensor.ts';
import type { Feeds, InputSpec, Outputs } from './program.ts';

/** Feeds as a map. */
export const feedMap = (feeds: Feeds): ReadonlyMap<string, HostTensor> =>
  feeds instanceof Map ? feeds : new Map(Object.entries(feeds as Readonly<Record<string, HostTensor>>));

/** Who checks, and what they have already. */
interface CheckFeedsOptions {
  /** Opens the messages; `run` unless given. */
  readonly who?: string;
  /** Inputs that were bound before. */
  readonly bound?: ReadonlyMap<string, HostTensor>;
  /** Some may be missing; false unless given. */
  readonly partial?: boolean;
}

/** @throws where an input is missing, unknown, of another type or shape, or a named size has two values. */
export function checkFeeds(
  inputs: readonly InputSpec[],
  feeds: ReadonlyMap<string, HostTensor>,
  { who = 'run', bound, partial = false }: CheckFeedsOptions = {},
): void {
  const sizes = new Map<string, { size: number; by: string }>();
  let known = 0;
  for (const { name, shape, dtype } of inputs) {
    let given = feeds.get(name);
    if (given) known++;
    else given = bound?.get(name);
    if (!given) {
      if (partial) continue;
      throw new Error(`${who}: missing input ${name}; needs ${dtype} ${show(shape)}`);
    }
    if (!Array.isArray(given.shape))
      throw new Error(`${who}: input ${name} is ${kind(given)}; needs a tensor: hostTensor(data, shape)`);
    const found = given.shape;
    const fail = (why: string): never => {
      throw new Error(`${who}: input ${name} is ${given.dtype} ${show(found)}; needs ${dtype} ${show(shape)}: ${why}`);
    };
    if (given.dtype !== dtype) fail('another type');
    if (found.length !== shape.length) fail(`${shape.length} ${shape.length === 1 ? 'axis' : 'axes'}`);
    for (let i = 0; i < shape.length; i++) {
      const [wanted, size] = [shape[i]!, found[i]!];
      if (typeof wanted === 'number') {
        if (wanted >= 0 && wanted !== size) fail(`axis ${i} is ${size}, not ${wanted}`);
      } else if (wanted) {
        const before = sizes.get(wanted);
        if (!before) sizes.set(wanted, { size, by: name });
        else if (before.size !== size) fail(`${wanted} is ${size} here and ${before.size} in ${before.by}`);
      }
    }
  }
  if (feeds.size > known) {
    const names = inputs.map((i) => i.name);
    for (const name of feeds.keys())
      if (!names.includes(name)) throw new Error(`${who}: no input ${name}; there are ${names.join(', ')}`);
  }
}

/** @throws where the data can't be the tensor's: too few values, or another array than the type's. */
export function checkData(name: string, tensor: HostTensor, who = 'run'): void {
  const why = problem(tensor);
  if (why) throw new Error(`${who}: ${name}: ${why}`);
}

/** @throws where a name is no output. */
export function checkOutputs(outputs: readonly InputSpec[], names: readonly string[]): void {
  for (const name of names)
    if (!outputs.some((o) => o.name === name))
      throw new Error(`run: no output ${name}; there are ${outputs.map((o) => o.name).join(', ')}`);
}

/** Whether outputs are tensors to write into. */
export const isWritten = (outputs: Outputs | undefined): outputs is Readonly<Record<string, HostTensor>> =>
  outputs !== undefined && !Array.isArray(outputs);

/**
 * The engine doesn't follow the order of nodes where buffers are shared: it may write before another node has read.
 *
 * @throws where the memory of an output is that of an input.
 */
export function refuseShared(
  feeds: Iterable<readonly [string, HostTensor]>,
  outputs: Readonly<Record<string, HostTensor>>,
): void {
  const ranges = new Map<ArrayBufferLike, { from: number; to: number; name: string }[]>();
  for (const [name, { data }] of Object.entries(outputs)) {
    const list = ranges.get(data.buffer) ?? [];
    ranges.set(data.buffer, list);
    list.push({ from: data.byteOffset, to: data.byteOffset + data.byteLength, name });
  }
  for (const [name, { data }] of feeds)
    for (const r of ranges.get(data.buffer) ?? [])
      if (data.byteOffset < r.to && r.from < data.byteOffset + data.byteLength)
        throw new Error(
          `run: input ${name} and output ${r.name} share memory, which gives wrong results; use another buffer`,
        );
}

const kind = (value: unknown): string =>
  (value as { constructor?: { name?: string } }).constructor?.name ?? typeof value;
