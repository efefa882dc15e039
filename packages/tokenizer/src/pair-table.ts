// A hash table from a pair of token ids to a number, in typed arrays: the inner loop of byte-pair encoding.

/** Pairs of ids from 0 to 2^31 - 2, each with a number of 0 or more. */
export class PairTable {
  size = 0;
  #firsts: Int32Array;
  #seconds: Int32Array;
  #values: Int32Array;
  #mask: number;

  /** @param expected how many pairs will probably come; it grows beyond them. */
  constructor(expected = 512) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(16, 2 * expected)));
    this.#firsts = new Int32Array(capacity).fill(-1);
    this.#seconds = new Int32Array(capacity);
    this.#values = new Int32Array(capacity);
    this.#mask = capacity - 1;
  }

  /** The number of a pair, or -1. */
  get(first: number, second: number): number {
    const slot = this.#slot(first, second);
    return this.#firsts[slot] === -1 ? -1 : this.#values[slot]!;
  }

  set(first: number, second: number, value: number): void {
    const slot = this.#slot(first, second);
    if (this.#firsts[slot] === -1) {
      this.size++;
      this.#firsts[slot] = first;
      this.#seconds[slot] = second;
    }
    this.#values[slot] = value;
    if (2 * this.size > this.#mask) this.#grow();
  }

  /** The slot that holds a pair, or the empty one where it would go. */
  #slot(first: number, second: number): number {
    let hash = Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b);
    hash ^= hash >>> 15;
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const found = this.#firsts[slot];
      if (found === -1 || (found === first && this.#seconds[slot] === second)) return slot;
    }
  }

  #grow(): void {
    const [firsts, seconds, values] = [this.#firsts, this.#seconds, this.#values];
    const bigger = new PairTable(firsts.length);
    for (let i = 0; i < firsts.length; i++) if (firsts[i] !== -1) bigger.set(firsts[i]!, seconds[i]!, values[i]!);
    this.#firsts = bigger.#firsts;
    this.#seconds = bigger.#seconds;
    this.#values = bigger.#values;
    this.#mask = bigger.#mask;
  }
}
