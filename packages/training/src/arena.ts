// Memory that the engine, JavaScript and the SIMD kernels share: weights, gradients and the optimizer's state lie in
// one WebAssembly memory, so that an update needs no copies. ONNX Runtime reads and writes such arrays like any others.
import { kernelsOn, type Kernels } from './wasm/kernels.ts';
import { WebAssembly } from './wasm/web-assembly.ts';

/** Gives out zeroed arrays of one memory. */
export interface Arena {
  /** An array of its own; beyond what was asked for, an ordinary one. */
  take(length: number): Float32Array;
}

const page = 2 ** 16;
// One page less than 4 GiB, so that the address after the last byte still has 32 bits.
const mostPages = 2 ** 16 - 1;
// Parts of 64 bytes, a cache line, and more than any vector.
const align = (length: number): number => Math.ceil(length / 16) * 16;
const kernels = new WeakMap<ArrayBufferLike, Kernels>();

/**
 * An arena for arrays of the given lengths, in float32 values. Where they are larger than 4 GiB together, or there is
 * no memory in one piece, it gives ordinary arrays, which work the same, only slower.
 */
export function arena(lengths: readonly number[]): Arena {
  const pages = Math.ceil((4 * lengths.reduce((sum, n) => sum + align(n), 0)) / page);
  const buffer = allocate(pages);
  let used = 0;
  return {
    take(length) {
      if (!buffer || 4 * (used + length) > buffer.byteLength) return new Float32Array(length);
      const array = new Float32Array(buffer, 4 * used, length);
      used += align(length);
      return array;
    },
  };
}

function allocate(pages: number): ArrayBuffer | null {
  if (!pages || pages > mostPages) return null;
  try {
    // The size is fixed: growing would take the arrays' memory away.
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    kernels.set(memory.buffer, kernelsOn(memory));
    return memory.buffer;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** The kernels for arrays that all lie in one arena, or null. */
export function kernelsFor(...arrays: readonly Float32Array[]): Kernels | null {
  const buffer = arrays[0]!.buffer;
  return arrays.every((a) => a.buffer === buffer) ? (kernels.get(buffer) ?? null) : null;
}
