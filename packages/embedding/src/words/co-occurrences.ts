// How often words stand near each other (Pennington et al., 2014): each pair within a window, counted by one over its distance.
import type { WordCorpus } from './word-corpus.ts';

/** Pairs of words, the smaller number first, and how often they stand together. */
export interface CoOccurrences {
  readonly rows: Int32Array;
  readonly columns: Int32Array;
  readonly counts: Float32Array;
}

// 16 bytes each at a load of one half.
const mostPairs = 2 ** 26;

/**
 * Counts pairs up to `window` words apart, in shared memory and in an order that the seed shuffles.
 *
 * @throws where there are more than 2^26 (67 million) pairs, or none; or the signal's reason.
 */
export function coOccurrences(
  { ids, words }: Pick<WordCorpus, 'ids' | 'words'>,
  {
    window = 10,
    draw,
    signal,
  }: { readonly window?: number; readonly draw: (n: number) => number; readonly signal?: AbortSignal },
): CoOccurrences {
  const V = words.length;
  let table = new Table(2 ** 16);
  for (let i = 0; i < ids.length; i++) {
    if ((i & 65535) === 0) signal?.throwIfAborted();
    const word = ids[i]!;
    if (word < 0) continue;
    for (let d = 1; d <= window && i - d >= 0; d++) {
      const other = ids[i - d]!;
      if (other < 0) break;
      table.add(word < other ? word * V + other : other * V + word, 1 / d);
      if (table.count * 2 > table.size) {
        if (table.count > mostPairs)
          throw new Error(
            `glove: more than ${mostPairs} pairs of words; raise minCount, or lower window or maxVocabulary`,
          );
        table = table.larger();
      }
    }
  }
  const n = table.count;
  if (!n) throw new Error('glove: no two words stand near each other; needs longer texts');
  const shared = (): SharedArrayBuffer => new SharedArrayBuffer(4 * n);
  const [rows, columns, counts] = [new Int32Array(shared()), new Int32Array(shared()), new Float32Array(shared())];
  let at = 0;
  table.each((key, count) => {
    rows[at] = Math.floor(key / V);
    columns[at] = key % V;
    counts[at++] = count;
  });
  for (let i = n - 1; i > 0; i--) {
    const j = draw(i + 1);
    [rows[i], rows[j]] = [rows[j]!, rows[i]!];
    [columns[i], columns[j]] = [columns[j]!, columns[i]!];
    [counts[i], counts[j]] = [counts[j]!, counts[i]!];
  }
  return { rows, columns, counts };
}

// Sums by whole numbers below 2^53; its size is a power of two.
class Table {
  readonly size: number;
  count = 0;
  readonly #keys: Float64Array;
  readonly #sums: Float64Array;
  constructor(size: number) {
    this.size = size;
    this.#keys = new Float64Array(size).fill(-1);
    this.#sums = new Float64Array(size);
  }
  add(key: number, value: number): void {
    let at = this.#hash(key);
    while (this.#keys[at] !== key) {
      if (this.#keys[at] === -1) {
        this.#keys[at] = key;
        this.count++;
        break;
      }
      at = (at + 1) & (this.size - 1);
    }
    this.#sums[at]! += value;
  }
  larger(): Table {
    const next = new Table(2 * this.size);
    this.each((key, sum) => next.add(key, sum));
    return next;
  }
  each(visit: (key: number, sum: number) => void): void {
    for (let i = 0; i < this.size; i++) if (this.#keys[i] !== -1) visit(this.#keys[i]!, this.#sums[i]!);
  }
  #hash(key: number): number {
    const [low, high] = [key | 0, Math.floor(key / 2 ** 32)];
    const mixed = Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1);
    return (mixed ^ (mixed >>> 15)) & (this.size - 1);
  }
}
