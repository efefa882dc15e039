// The k largest of many values without sorting them all: one pass that keeps a heap of the best so far.
import { heapify, sink } from './heap.ts';

/**
 * Indices of the `k` largest values (all where there are fewer), largest first; of equal ones the lower index comes first.
 * The work is one comparison a value, and log k for each that gets in.
 */
export function topCandidates(values: Float32Array, k: number): Int32Array {
  const size = Math.min(k, values.length);
  const heap = Int32Array.from({ length: size }, (_, i) => i);
  const worse = (a: number, b: number): boolean => {
    const [x, y] = [values[a]!, values[b]!];
    return x < y || (x === y && a > b);
  };
  heapify(heap, size, worse);
  for (let i = size; i < values.length && size; i++) {
    // An equal value further on never gets in, so the value alone decides.
    if (values[i]! > values[heap[0]!]!) {
      heap[0] = i;
      sink(heap, 0, size, worse);
    }
  }
  for (let end = size - 1; end > 0; end--) {
    const worst = heap[0]!;
    heap[0] = heap[end]!;
    heap[end] = worst;
    sink(heap, 0, end, worse);
  }
  return heap;
}
