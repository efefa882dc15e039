// Byte-pair encoding of one word (Sennrich et al., 2016): the earliest learned merge first, the leftmost of equals.
import { PairTable } from './pair-table.ts';

/** Merges as a table from pairs of ids to ranks. */
export class Merges {
  /** How many there are. */
  readonly size: number;
  readonly #ranks: PairTable;
  readonly #joined: Int32Array;

  /** @param merges of each merge, earliest first: the id of the first token, of the second, and of both joined. */
  constructor(merges: Int32Array) {
    this.size = merges.length / 3;
    this.#ranks = new PairTable(this.size);
    this.#joined = new Int32Array(this.size);
    for (let rank = 0; rank < this.size; rank++) {
      this.#ranks.set(merges[3 * rank]!, merges[3 * rank + 1]!, rank);
      this.#joined[rank] = merges[3 * rank + 2]!;
    }
  }

  /** Joins the ids in place and returns how many are left. An id of -1 is joined with nothing. */
  apply(ids: number[], lengths?: number[]): number {
    if (ids.length > 48) return this.#applyLong(ids, lengths);
    let size = ids.length;
    const ranks: number[] = [];
    for (let i = 0; i + 1 < size; i++) ranks.push(this.#rank(ids[i]!, ids[i + 1]!));
    for (;;) {
      let best = -1;
      let least = Infinity;
      for (let i = 0; i + 1 < size; i++)
        if (ranks[i]! < least) {
          least = ranks[i]!;
          best = i;
        }
      if (best < 0) break;
      ids[best] = this.#joined[least]!;
      if (lengths) lengths[best]! += lengths[best + 1]!;
      size--;
      for (let i = best + 1; i < size; i++) {
        ids[i] = ids[i + 1]!;
        ranks[i] = ranks[i + 1]!;
        if (lengths) lengths[i] = lengths[i + 1]!;
      }
      if (best > 0) ranks[best - 1] = this.#rank(ids[best - 1]!, ids[best]!);
      if (best + 1 < size) ranks[best] = this.#rank(ids[best]!, ids[best + 1]!);
    }
    ids.length = size;
    if (lengths) lengths.length = size;
    return size;
  }

  /** The rank of a pair, or Infinity. */
  #rank(first: number, second: number): number {
    const rank = first < 0 || second < 0 ? -1 : this.#ranks.get(first, second);
    return rank < 0 ? Infinity : rank;
  }

  // The same with a heap: n log n for a word as long as a book. An entry is rank * n + place.
  #applyLong(ids: number[], lengths: number[] | undefined): number {
    const n = ids.length;
    const next = Int32Array.from({ length: n }, (_, i) => i + 1);
    const previous = Int32Array.from({ length: n }, (_, i) => i - 1);
    const heap: number[] = [];
    const offer = (i: number): void => {
      const rank = i >= 0 && next[i]! < n ? this.#rank(ids[i]!, ids[next[i]!]!) : Infinity;
      if (rank !== Infinity) push(heap, rank * n + i);
    };
    for (let i = 0; i + 1 < n; i++) offer(i);
    for (let entry = pop(heap); entry !== undefined; entry = pop(heap)) {
      const at = entry % n;
      const rank = (entry - at) / n;
      const after = next[at]!;
      // The pair may be gone: joined already, or with another neighbour.
      if (ids[at] === -2 || after >= n || this.#rank(ids[at]!, ids[after]!) !== rank) continue;
      ids[at] = this.#joined[rank]!;
      ids[after] = -2;
      if (lengths) lengths[at]! += lengths[after]!;
      next[at] = next[after]!;
      if (next[at]! < n) previous[next[at]!] = at;
      offer(previous[at]!);
      offer(at);
    }
    let size = 0;
    for (let i = 0; i < n; i = next[i]!, size++) {
      ids[size] = ids[i]!;
      if (lengths) lengths[size] = lengths[i]!;
    }
    ids.length = size;
    if (lengths) lengths.length = size;
    return size;
  }
}

function push(heap: number[], entry: number): void {
  let at = heap.push(entry) - 1;
  for (; at > 0 && entry < heap[(at - 1) >> 1]!; at = (at - 1) >> 1) heap[at] = heap[(at - 1) >> 1]!;
  heap[at] = entry;
}

function pop(heap: number[]): number | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return top;
  let at = 0;
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
    if (heap[child]! >= last) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return top;
}
