// Many tensors in one array, each a view of its part, so that an optimizer is one loop.
import { hostTensor, type HostTensor } from '@brickwork/runtime';

/** Named float32 tensors that lie one after another in `data`. */
export interface FlatStore {
  readonly data: Float32Array;
  readonly tensors: ReadonlyMap<string, HostTensor>;
}

/** Where each tensor begins and ends, in the order of the map. */
export interface Part {
  readonly name: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** The parts of a store for tensors of the given shapes. Each begins at a multiple of 16 values, 64 bytes. */
export function layout(shapes: ReadonlyMap<string, readonly number[]>): { parts: Part[]; length: number } {
  let at = 0;
  const parts = [...shapes].map(([name, shape]) => {
    const begin = at;
    const end = begin + shape.reduce((a, b) => a * b, 1);
    at = Math.ceil(end / 16) * 16;
    return { name, shape, begin, end };
  });
  return { parts, length: at };
}

/** A store of zeros, or over the memory given. */
export function flatStore(parts: readonly Part[], data: Float32Array): FlatStore {
  const tensors = new Map(
    parts.map(({ name, shape, begin, end }) => [name, hostTensor(data.subarray(begin, end), shape)]),
  );
  return { data, tensors };
}
