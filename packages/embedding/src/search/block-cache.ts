// Blocks of a file that were read, kept for the next time, in bounded memory.

/** Keeps what `load` gives for a number. */
export class BlockCache<T> {
  readonly #load: (n: number) => Promise<T>;
  readonly #most: number;
  readonly #keep: 'recent' | 'first';
  readonly #held = new Map<number, Promise<T>>();

  /**
   * @param most how many are kept.
   * @param keep which: the last that were asked for; or the first, where files larger than the cache are read from end to
   *   end and the last ones would be gone each time that they are needed.
   */
  constructor(load: (n: number) => Promise<T>, most: number, keep: 'recent' | 'first') {
    this.#load = load;
    this.#most = most;
    this.#keep = keep;
  }

  get(n: number): Promise<T> {
    const held = this.#held.get(n);
    if (held) {
      if (this.#keep === 'recent') {
        this.#held.delete(n); // a Map's order is that of insertion
        this.#held.set(n, held);
      }
      return held;
    }
    const loading = this.#load(n);
    if (this.#held.size >= this.#most) {
      if (this.#keep === 'first') return loading;
      for (const oldest of this.#held.keys()) {
        this.#held.delete(oldest);
        break;
      }
    }
    if (this.#most > 0) {
      this.#held.set(n, loading);
      // What failed may work the next time; who asked is told.
      loading.catch(() => this.#held.get(n) === loading && this.#held.delete(n));
    }
    return loading;
  }
}
