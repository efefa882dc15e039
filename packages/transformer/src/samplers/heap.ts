// A binary heap of indices in a typed array (Williams, 1964; built bottom-up: Floyd, 1964).

/** Whether index `a` must come out before index `b`. */
export type Before = (a: number, b: number) => boolean;

/** Lets the index at `from` sink to its place among the first `size`. */
export function sink(heap: Int32Array, from: number, size: number, before: Before): void {
  const index = heap[from]!;
  let at = from;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, index)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = index;
}

/** Makes a heap of the first `size` indices: the first comes out first. */
export function heapify(heap: Int32Array, size: number, before: Before): void {
  for (let i = (size >> 1) - 1; i >= 0; i--) sink(heap, i, size, before);
}
