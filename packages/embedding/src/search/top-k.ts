// The best k of many scores in a heap of k, so that nothing has to be sorted but what is kept.

/** A row with its score. */
export interface Scored {
  readonly row: number;
  readonly score: number;
}

/** Keeps the `k` largest scores that it is offered; of equal ones the rows that come first. */
export class TopK {
  readonly k: number;
  readonly #isBefore: (a: number, b: number) => boolean;
  // A heap whose root is the one that leaves next.
  readonly #scores: number[] = [];
  readonly #rows: number[] = [];

  /** @param isBefore which of two rows with the same score comes first; the smaller number unless given. */
  constructor(k: number, isBefore: (a: number, b: number) => boolean = (a, b) => a < b) {
    this.k = k;
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#rows.length;
  }

  /** Whether a row would be kept: asked where it costs something to find out if it is wanted at all. */
  takes(score: number, row: number): boolean {
    if (this.#rows.length < this.k) return true;
    return score > this.#scores[0]! || (score === this.#scores[0]! && this.#isBefore(row, this.#rows[0]!));
  }

  /** Keeps a row if it is among the best so far. */
  offer(score: number, row: number): void {
    if (!this.takes(score, row)) return;
    if (this.#rows.length < this.k) this.#rise(this.#rows.length, score, row);
    else this.#sink(score, row);
  }

  /** What was kept, best first. */
  sorted(): Scored[] {
    return this.#rows
      .map((row, i) => ({ row, score: this.#scores[i]! }))
      .sort((a, b) => b.score - a.score || (this.#isBefore(a.row, b.row) ? -1 : 1));
  }

  // Whether the entry at i leaves before this one.
  #isWorse(i: number, score: number, row: number): boolean {
    return this.#scores[i]! < score || (this.#scores[i]! === score && this.#isBefore(row, this.#rows[i]!));
  }

  #rise(at: number, score: number, row: number): void {
    let i = at;
    for (; i > 0; i = (i - 1) >> 1) {
      const parent = (i - 1) >> 1;
      if (this.#isWorse(parent, score, row)) break;
      this.#put(i, this.#scores[parent]!, this.#rows[parent]!);
    }
    this.#put(i, score, row);
  }

  #sink(score: number, row: number): void {
    const n = this.#rows.length;
    let i = 0;
    for (let child = 1; child < n; child = 2 * i + 1) {
      if (child + 1 < n && this.#isWorse(child + 1, this.#scores[child]!, this.#rows[child]!)) child++;
      if (!this.#isWorse(child, score, row)) break;
      this.#put(i, this.#scores[child]!, this.#rows[child]!);
      i = child;
    }
    this.#put(i, score, row);
  }

  #put(i: number, score: number, row: number): void {
    this.#scores[i] = score;
    this.#rows[i] = row;
  }
}
