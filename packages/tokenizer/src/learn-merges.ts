// Learning byte-pair merges (Sennrich et al., 2016): join the most frequent pair, again and again. Counts and places of
// pairs are kept up to date, so a merge costs as much as the places that it changes.
import { PairTable } from './pair-table.ts';
import { Pause, type TrainingStage } from './pause.ts';

/** A word as ids of its first symbols, and how often it was seen. */
export interface CountedWord {
  readonly symbols: ArrayLike<number>;
  readonly count: number;
}

/** A merge: the two joined ids, and the id of the result. */
export type Merge = readonly [first: number, second: number, merged: number];

/** What {@link learnMerges} is asked for. */
export interface LearnMergesOptions {
  /** Size of the vocabulary to reach; ids from `nextId` on are given out until it is. */
  readonly vocabularySize: number;
  readonly nextId: number;
  /** Pairs seen less often are not merged. */
  readonly minFrequency: number;
  /** The id of the joined token: `candidate`, or that of an earlier token with the same text. */
  readonly join: (first: number, second: number, candidate: number) => number;
  readonly pause: Pause;
}

/**
 * The merges in the order of learning. The pair with the highest count is merged first; among equal counts the one with
 * the lowest first id, then the lowest second id, as Hugging Face's trainer has it. In a run (`aaa`) the left pair wins.
 */
export async function learnMerges(words: readonly CountedWord[], o: LearnMergesOptions): Promise<Merge[]> {
  const pairs = new Pairs(words);
  const merges: Merge[] = [];
  const seen = new Set<string>();
  let nextId = o.nextId;
  while (nextId < o.vocabularySize) {
    const pair = pairs.popBest(Math.max(1, o.minFrequency));
    if (pair < 0) break;
    const [first, second] = pairs.ids(pair);
    const merged = o.join(first, second, nextId);
    if (merged === nextId) nextId++;
    pairs.merge(pair, merged);
    const key = `${first} ${second}`;
    if (!seen.has(key)) merges.push([first, second, merged]);
    seen.add(key);
    if (o.pause.isDue()) await o.pause.rest('merge' satisfies TrainingStage, nextId);
  }
  return merges;
}

/** Symbols of all words in one row of linked positions, with the count and the places of each pair of neighbours. */
class Pairs {
  readonly #symbols: Int32Array; // id at a position, -1 once it was joined to its left neighbour
  readonly #next: Int32Array; // the following position of the word, or -1
  readonly #previous: Int32Array;
  readonly #weights: Float64Array; // how often the position's word was seen
  readonly #table: PairTable;
  readonly #first: number[] = [];
  readonly #second: number[] = [];
  readonly #counts: number[] = [];
  readonly #places: number[][] = []; // positions where the pair was once; it may be gone from there
  readonly #queued: number[] = []; // the count with which a pair stands in the queue, or -1
  readonly #heap: number[] = []; // pairs, the best one at the top

  constructor(words: readonly CountedWord[]) {
    const size = words.reduce((sum, word) => sum + word.symbols.length, 0);
    this.#symbols = new Int32Array(size);
    this.#next = new Int32Array(size);
    this.#previous = new Int32Array(size);
    this.#weights = new Float64Array(size);
    this.#table = new PairTable(1 << 16);
    let at = 0;
    for (const { symbols, count } of words) {
      for (let i = 0; i < symbols.length; i++, at++) {
        this.#symbols[at] = symbols[i]!;
        this.#weights[at] = count;
        this.#next[at] = i + 1 < symbols.length ? at + 1 : -1;
        this.#previous[at] = i > 0 ? at - 1 : -1;
      }
    }
    for (let i = 0; i < size; i++) if (this.#next[i] !== -1) this.#add(i, i + 1);
    for (let pair = 0; pair < this.#counts.length; pair++) this.#push(pair);
  }

  ids(pair: number): [number, number] {
    return [this.#first[pair]!, this.#second[pair]!];
  }

  /** Takes the best pair out of the queue; -1 where none has the least count. */
  popBest(least: number): number {
    for (;;) {
      const pair = this.#pop();
      if (pair === undefined) return -1;
      // A count only falls while a pair waits: put it back at its place.
      if (this.#counts[pair]! < this.#queued[pair]!) {
        this.#queued[pair] = -1;
        if (this.#counts[pair]! > 0) this.#push(pair);
        continue;
      }
      this.#queued[pair] = -1;
      return this.#counts[pair]! >= least ? pair : -1;
    }
  }

  /** Joins every place of a pair, left to right. */
  merge(pair: number, merged: number): void {
    const [first, second] = this.ids(pair);
    const places = this.#places[pair]!;
    this.#places[pair] = [];
    if (places.some((at, i) => i > 0 && at < places[i - 1]!)) places.sort((a, b) => a - b);
    const made = new Set<number>();
    for (const at of places) {
      const after = this.#next[at]!;
      if (after === -1 || this.#symbols[at] !== first || this.#symbols[after] !== second) continue;
      const [before, beyond] = [this.#previous[at]!, this.#next[after]!];
      if (before !== -1) this.#remove(before, at);
      this.#remove(at, after);
      if (beyond !== -1) this.#remove(after, beyond);
      this.#symbols[at] = merged;
      this.#symbols[after] = -1;
      this.#next[at] = beyond;
      this.#next[after] = -1;
      if (before !== -1) made.add(this.#add(before, at));
      if (beyond !== -1) {
        this.#previous[beyond] = at;
        made.add(this.#add(at, beyond));
      }
    }
    for (const one of made) if (this.#counts[one]! > 0 && this.#queued[one]! < this.#counts[one]!) this.#push(one);
  }

  #add(left: number, right: number): number {
    const [first, second] = [this.#symbols[left]!, this.#symbols[right]!];
    let pair = this.#table.get(first, second);
    if (pair === -1) {
      pair = this.#counts.length;
      this.#table.set(first, second, pair);
      this.#first.push(first);
      this.#second.push(second);
      this.#counts.push(0);
      this.#places.push([]);
      this.#queued.push(-1);
    }
    this.#counts[pair]! += this.#weights[left]!;
    this.#places[pair]!.push(left);
    return pair;
  }

  #remove(left: number, right: number): void {
    const pair = this.#table.get(this.#symbols[left]!, this.#symbols[right]!);
    this.#counts[pair]! -= this.#weights[left]!;
  }

  #isBetter(a: number, b: number): boolean {
    const difference = this.#queued[a]! - this.#queued[b]!;
    if (difference !== 0) return difference > 0;
    return this.#first[a] === this.#first[b] ? this.#second[a]! < this.#second[b]! : this.#first[a]! < this.#first[b]!;
  }

  #push(pair: number): void {
    const heap = this.#heap;
    // A pair that waits with too low a count is taken out first; that happens only where two merges give one token.
    if (this.#queued[pair] !== -1) {
      const rest = heap.splice(0).filter((one) => one !== pair);
      this.#queued[pair] = -1;
      for (const one of rest) this.#rise(heap.push(one) - 1);
    }
    this.#queued[pair] = this.#counts[pair]!;
    this.#rise(heap.push(pair) - 1);
  }

  #rise(at: number): void {
    const heap = this.#heap;
    const pair = heap[at]!;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBetter(pair, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = pair;
  }

  #pop(): number | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#isBetter(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#isBetter(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}
