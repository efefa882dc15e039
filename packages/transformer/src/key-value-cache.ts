// Keys and values of earlier tokens, kept outside the graph in buffers that grow by pages, so that a step of decoding
// returns only what is new. Rows are independent: each holds its own length. Rows come and go without moving the others.
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { masked } from './attention.ts';

/** Slots by which the cache grows at least; it grows by an eighth where that is more. */
const page = 64;

/** What is kept of each token. */
export interface CacheShape {
  readonly layers: number;
  /** Heads of keys and values, and the width of each. */
  readonly heads: number;
  readonly width: number;
}

/** The name of the mask of the layers that see so many positions back. */
export const maskName = (window: number | null): string => (window === null ? 'mask' : `mask.${window}`);

/** The cache of a batch of rows. */
export class KeyValueCache {
  readonly #shape: CacheShape;
  #lengths: number[] = [];
  #capacity = 0;
  // Per layer keys (rows, H, D, capacity), then values (rows, H, capacity, D), with room for more rows than there are: each is
  // multiplied as it lies, which for one token is twice as fast.
  #slots: Float32Array[] = [];
  // As the graph takes them; null where they have changed.
  #tensors: Record<string, HostTensor> | null = null;

  constructor(shape: CacheShape) {
    this.#shape = shape;
    this.#slots = Array.from({ length: 2 * shape.layers }, () => new Float32Array(0));
  }

  /** How many tokens each row holds. */
  get lengths(): readonly number[] {
    return this.#lengths;
  }

  /** Starts over with rows that hold nothing, and room for some tokens each. */
  clear(rows: number, room = 0): void {
    this.#lengths = Array.from({ length: rows }, () => 0);
    this.#capacity = 0;
    this.#slots = this.#slots.map(() => new Float32Array(0));
    this.#tensors = null;
    this.reserve(room);
  }

  /** Makes room for `length` tokens a row. */
  reserve(length: number): void {
    if (length > this.#capacity) this.#arrange(this.#lengths.length, grown(length));
  }

  // A part's rows are lines of slots: one for each number of a head's keys, one for each head of values.
  #lines(part: number): [perRow: number, width: number] {
    const { heads: H, width: D } = this.#shape;
    return part % 2 ? [H, D] : [H * D, 1];
  }

  // Room for so many rows of so many slots; what is there stays.
  #arrange(rows: number, capacity: number): void {
    this.#slots = this.#slots.map((old, part) => {
      const [perRow, width] = this.#lines(part);
      const [from, to] = [this.#capacity * width, capacity * width];
      const next = new Float32Array(rows * perRow * to);
      const kept = this.#lengths.length * perRow;
      if (from === to) next.set(old.subarray(0, kept * from));
      else for (let line = 0; line < kept; line++) next.set(old.subarray(line * from, (line + 1) * from), line * to);
      return next;
    });
    this.#capacity = capacity;
    this.#tensors = null;
  }

  /** Appends the first `counts[row]` of T new tokens to each row. `present` is (B, 2 layers · H, T, D). */
  append(present: Float32Array, T: number, counts: readonly number[]): void {
    const { heads: H, width: D } = this.#shape;
    const parts = this.#slots.length;
    const P = this.#capacity;
    this.#slots.forEach((slots, part) => {
      counts.forEach((count, row) => {
        const length = this.#lengths[row]!;
        for (let h = 0; h < H; h++) {
          const from = ((row * parts + part) * H + h) * T * D;
          const head = (row * H + h) * P * D;
          if (part % 2) slots.set(present.subarray(from, from + count * D), head + length * D);
          else
            for (let d = 0; d < D; d++)
              for (let t = 0, to = head + d * P + length; t < count; t++) slots[to + t] = present[from + t * D + d]!;
        }
      });
    });
    counts.forEach((n, row) => (this.#lengths[row]! += n));
  }

  /** Adds another cache's rows behind these. */
  join(other: KeyValueCache): void {
    const { heads: H, width: D } = this.#shape;
    const before = this.#lengths.length;
    const rows = before + other.#lengths.length;
    const capacity = Math.max(this.#capacity, other.#capacity);
    const room = this.#capacity ? this.#slots[0]!.length / (H * this.#capacity * D) : 0;
    if (rows > room || capacity > this.#capacity)
      this.#arrange(Math.max(rows, Math.min(2 * before, rows + 8)), capacity);
    this.#slots.forEach((slots, part) => {
      const [perRow, width] = this.#lines(part);
      const given = other.#slots[part]!;
      const [from, to] = [other.#capacity * width, capacity * width];
      for (let line = 0; line < other.#lengths.length * perRow; line++)
        slots.set(given.subarray(line * from, (line + 1) * from), (before * perRow + line) * to);
    });
    this.#lengths.push(...other.#lengths);
    this.#tensors = null;
  }

  /** Row i goes on from what was row `order[i]`; rows that stay where they are aren't touched. */
  reorder(order: readonly number[]): void {
    const { heads: H, width: D } = this.#shape;
    const size = H * this.#capacity * D;
    const moved = order.flatMap((row, i) => (row === i ? [] : [[row, i] as const]));
    if (moved.length && order.length * size > this.#slots[0]!.length) this.#arrange(order.length, this.#capacity);
    for (const slots of this.#slots) {
      const rows = moved.map(([row]) => slots.slice(row * size, (row + 1) * size));
      moved.forEach(([, i], n) => slots.set(rows[n]!, i * size));
    }
    this.#lengths = order.map((row) => this.#lengths[row]!);
    this.#tensors = null;
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
   * What T further tokens are fed: `past.L.key` (B, H, D, P) and `past.L.value` (B, H, P, D), and for layers that see so many positions back
   * the mask (B, 1, T, P+T) that hides empty slots, later tokens and those too far back.
   */
  feeds(T: number = 1, windows: readonly (number | null)[] = [null]): Record<string, HostTensor> {
    this.#tensors ??= this.#past();
    const B = this.#lengths.length;
    const masks = [...new Set(windows)].map((window) => [
      maskName(window),
      hostTensor(this.#mask(T, window), [B, 1, T, this.#capacity + T]),
    ]);
    return { ...this.#tensors, ...Object.fromEntries(masks) };
  }

  #past(): Record<string, HostTensor> {
    const { layers, heads: H, width: D } = this.#shape;
    const [B, P] = [this.#lengths.length, this.#capacity];
    const size = B * H * P * D;
    const tensors: Record<string, HostTensor> = {};
    for (let layer = 0; layer < layers; layer++) {
      tensors[`past.${layer}.key`] = hostTensor(this.#slots[2 * layer]!.subarray(0, size), [B, H, D, P]);
      tensors[`past.${layer}.value`] = hostTensor(this.#slots[2 * layer + 1]!.subarray(0, size), [B, H, P, D]);
    }
    return tensors;
  }

  #mask(T: number, window: number | null): Float32Array {
    const P = this.#capacity;
    const width = P + T;
    const mask = new Float32Array(this.#lengths.length * T * width);
    this.#lengths.forEach((length, row) => {
      for (let t = 0; t < T; t++) {
        const at = (row * T + t) * width;
        mask.fill(masked, at + length, at + P);
        mask.fill(masked, at + P + t + 1, at + width);
        if (!window) continue;
        const first = length + t - window + 1;
        mask.fill(masked, at, at + Math.min(length, Math.max(0, first)));
        if (first > length) mask.fill(masked, at + P, at + P + first - length);
      }
    });
    return mask;
  }
}

// Slots for so many tokens and some more, in whole pages.
const grown = (length: number): number =>
  Math.ceil(Math.max(length, Math.min(length + length / 8, length + 512)) / page) * page;

/** Rows of `size` values each, in another order; a row may be taken several times or not at all. */
export function takeRows(rows: Float32Array, order: readonly number[], size: number): Float32Array {
  const next = new Float32Array(order.length * size);
  order.forEach((row, i) => next.set(rows.subarray(row * size, (row + 1) * size), i * size));
  return next;
}
