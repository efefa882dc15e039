// Keys and values of earlier tokens, kept outside the graph in buffers that grow by pages, so that a step of decoding
// returns only what is new. Rows are independent: each holds its own length.
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { masked } from './attention.ts';

/** Slots by which the cache grows. */
const page = 64;

interface CacheShape {
  readonly layers: number;
  /** Heads of keys and values, and the width of each. */
  readonly heads: number;
  readonly width: number;
}

/** The cache of a batch of rows. */
export class KeyValueCache {
  readonly #shape: CacheShape;
  #lengths: number[] = [];
  #capacity = 0;
  // Per layer keys, then values: (rows, H, capacity, D).
  #slots: Float32Array[] = [];

  constructor(shape: CacheShape) {
    this.#shape = shape;
  }

  /** How many tokens each row holds. */
  get lengths(): readonly number[] {
    return this.#lengths;
  }

  /** Starts over with rows that hold nothing, and room for some tokens each. */
  clear(rows: number, room = 0): void {
    this.#lengths = Array.from({ length: rows }, () => 0);
    this.#capacity = 0;
    this.#slots = [];
    this.reserve(room);
  }

  /** Makes room for `length` tokens a row. */
  reserve(length: number): void {
    if (length <= this.#capacity) return;
    const { layers, heads: H, width: D } = this.#shape;
    const from = this.#capacity;
    const to = Math.ceil(length / page) * page;
    const B = this.#lengths.length;
    const grown = Array.from({ length: 2 * layers }, () => new Float32Array(B * H * to * D));
    this.#slots.forEach((old, i) => {
      for (let r = 0; r < B * H; r++) grown[i]!.set(old.subarray(r * from * D, (r + 1) * from * D), r * to * D);
    });
    this.#slots = grown;
    this.#capacity = to;
  }

  /** Appends the first `counts[row]` of T new tokens to each row. `present` is (2 layers, B, H, T, D). */
  append(present: Float32Array, T: number, counts: readonly number[]): void {
    const { heads: H, width: D } = this.#shape;
    const B = counts.length;
    this.#slots.forEach((slots, i) => {
      for (let row = 0; row < B; row++)
        for (let h = 0; h < H; h++) {
          const from = ((i * B + row) * H + h) * T * D;
          const to = ((row * H + h) * this.#capacity + this.#lengths[row]!) * D;
          slots.set(present.subarray(from, from + counts[row]! * D), to);
        }
    });
    counts.forEach((n, row) => (this.#lengths[row]! += n));
  }

  /** Row i goes on from what was row `order[i]`. */
  reorder(order: readonly number[]): void {
    const { heads: H, width: D } = this.#shape;
    this.#slots = this.#slots.map((rows) => takeRows(rows, order, H * this.#capacity * D));
    this.#lengths = order.map((row) => this.#lengths[row]!);
  }

  /** Forgets all but the first tokens of each row. @throws where a row holds fewer. */
  truncate(lengths: readonly number[]): void {
    if (lengths.length !== this.#lengths.length)
      throw new Error(`decoder: ${lengths.length} lengths for ${this.#lengths.length} rows`);
    lengths.forEach((length, row) => {
      if (!(Number.isInteger(length) && length > 0 && length <= this.#lengths[row]!))
        throw new Error(`decoder: row ${row} has ${this.#lengths[row]} tokens and can't be cut to ${length}`);
    });
    this.#lengths = [...lengths];
  }

  /**
   * What T further tokens are fed: `past.L.key` and `past.L.value` (B, H, P, D), and the `mask` (B, 1, T, P+T) that hides empty
   * slots and later tokens.
   */
  feeds(T: number = 1): Record<string, HostTensor> {
    const { layers, heads: H, width: D } = this.#shape;
    const P = this.#capacity;
    const B = this.#lengths.length;
    const width = P + T;
    const mask = new Float32Array(B * T * width);
    this.#lengths.forEach((length, row) => {
      for (let t = 0; t < T; t++) {
        const at = (row * T + t) * width;
        mask.fill(masked, at + length, at + P);
        mask.fill(masked, at + P + t + 1, at + width);
      }
    });
    const feeds: Record<string, HostTensor> = { mask: hostTensor(mask, [B, 1, T, width]) };
    for (let layer = 0; layer < layers; layer++) {
      feeds[`past.${layer}.key`] = hostTensor(this.#slots[2 * layer]!, [B, H, P, D]);
      feeds[`past.${layer}.value`] = hostTensor(this.#slots[2 * layer + 1]!, [B, H, P, D]);
    }
    return feeds;
  }
}

/** Rows of `size` values each, in another order; a row may be taken several times or not at all. */
export function takeRows(rows: Float32Array, order: readonly number[], size: number): Float32Array {
  const next = new Float32Array(order.length * size);
  order.forEach((row, i) => next.set(rows.subarray(row * size, (row + 1) * size), i * size));
  return next;
}
