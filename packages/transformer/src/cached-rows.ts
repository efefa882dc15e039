// A batch of rows that a compiled decoder writes, with their cache: what runs in this thread or in one of its own.
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { KeyValueCache, type CacheShape } from './key-value-cache.ts';

/** What the rows are of. */
export interface RowsShape extends CacheShape {
  /** How many positions back a token sees in each layer, itself included; all where null. */
  readonly windows: readonly (number | null)[];
  /** Learned tokens that stand before each row's own; the first pass puts them there. */
  readonly before: number;
  readonly vocabularySize: number;
}

/** Runs a graph: `first` is the pass of rows with learned tokens before them, `more` any other. */
export type RunPass = (
  name: 'first' | 'more',
  feeds: Record<string, HostTensor>,
) => Promise<Record<string, HostTensor>>;

/** What a pass gives. */
export interface Passed {
  /** (rows, V), or (rows · T, V) for T tokens a row. */
  readonly logits: Float32Array;
  /** ln Σ exp of each row of the logits. */
  readonly normalizers: Float32Array;
  /** The last layer's state of each new token of each row, where they are kept. */
  readonly states: Float32Array[][] | null;
}

/** Tokens a row that are read in one pass: longer prompts take several, between which they can be given up. */
const chunk = 256;

/** Rows and their cache. What it is given was checked. */
export class CachedRows {
  readonly #run: RunPass;
  readonly #shape: RowsShape;
  #cache: KeyValueCache;

  constructor(run: RunPass, shape: RowsShape) {
    this.#run = run;
    this.#shape = shape;
    this.#cache = new KeyValueCache(shape);
  }

  /** Starts over with prompts; gives what follows each of them. */
  async prefill(prompts: readonly (readonly number[])[], signal?: AbortSignal): Promise<Passed> {
    this.#cache.clear(0);
    const [cache, passed] = await this.#read(prompts, signal);
    this.#cache = cache;
    return passed;
  }

  /** Adds rows behind those that are there; gives what follows the new ones. */
  async join(prompts: readonly (readonly number[])[], signal?: AbortSignal): Promise<Passed> {
    const [cache, passed] = await this.#read(prompts, signal);
    this.#cache.join(cache);
    return passed;
  }

  async #read(
    prompts: readonly (readonly number[])[],
    signal: AbortSignal | undefined,
  ): Promise<[KeyValueCache, Passed]> {
    const { before, vocabularySize: V } = this.#shape;
    const cache = new KeyValueCache(this.#shape);
    cache.clear(prompts.length);
    const longest = Math.max(...prompts.map((p) => p.length));
    const logits = new Float32Array(prompts.length * V);
    const normalizers = new Float32Array(prompts.length);
    const states: Float32Array[][] = prompts.map(() => []);
    let keeps = false;
    // The learned tokens come with the first pass, which is one.
    const most = before ? longest : chunk;
    for (let from = 0; from < longest; from += most) {
      signal?.throwIfAborted();
      const T = Math.min(most, longest - from);
      const counts = prompts.map((p) => Math.max(0, Math.min(T, p.length - from)));
      const ends = prompts.flatMap((p, row) => (p.length > from && p.length <= from + T ? [row] : []));
      const out = await this.#pass(cache, before ? 'first' : 'more', {
        ids: (row, t) => prompts[row]![from + t] ?? 0,
        position: (_, t) => from + t,
        length: (row) => before + prompts[row]!.length,
        rows: ends.map((row) => row * T + counts[row]! - 1),
        counts,
        T,
      });
      ends.forEach((row, i) => {
        logits.set(out.logits.subarray(i * V, (i + 1) * V), row * V);
        normalizers[row] = out.normalizers[i]!;
      });
      keeps = out.states !== null;
      out.states?.forEach((own, row) => states[row]!.push(...own));
    }
    return [cache, { logits, normalizers, states: keeps ? states : null }];
  }

  /** Appends as many tokens to each row; gives what follows each of them. */
  async append(ids: readonly (readonly number[])[]): Promise<Passed> {
    const T = ids[0]!.length;
    const { lengths } = this.#cache;
    const at = (row: number, t: number): number => lengths[row]! + t;
    return await this.#pass(this.#cache, 'more', {
      ids: (row, t) => ids[row]![t]!,
      position: at,
      // Each token turns as if it came alone.
      length: (row, t) => at(row, t) + 1,
      rows: Array.from({ length: ids.length * T }, (_, i) => i),
      counts: ids.map(() => T),
      T,
    });
  }

  async #pass(cache: KeyValueCache, name: 'first' | 'more', o: PassInputs): Promise<Passed> {
    const { counts, T, rows } = o;
    const { windows, before } = this.#shape;
    const B = counts.length;
    const values = (of: (row: number, t: number) => number): HostTensor => {
      const data = new BigInt64Array(B * T);
      for (let row = 0, i = 0; row < B; row++) for (let t = 0; t < T; t++, i++) data[i] = BigInt(of(row, t));
      return hostTensor(data, [B, T]);
    };
    const isFirst = name === 'first';
    // The first pass of an empty cache needs no room before it.
    if (cache.lengths.some((n) => n > 0)) cache.reserve(Math.max(...cache.lengths) + T);
    const out = await this.#run(name, {
      input_ids: values(o.ids),
      positions: values(o.position),
      lengths: values(o.length),
      // None end here: the graph is given one, whose logits nobody reads.
      rows: hostTensor(BigInt64Array.from(rows.length ? rows : [0], BigInt), [rows.length || 1]),
      ...(!isFirst && cache.feeds(T, windows)),
    });
    const added = isFirst ? before : 0;
    cache.reserve(Math.max(...cache.lengths) + added + T);
    cache.append(
      out['present']!.data as Float32Array,
      added + T,
      counts.map((n) => added + n),
    );
    const hidden = out['hidden'];
    return {
      logits: out['logits']!.data as Float32Array,
      normalizers: out['normalizers']!.data as Float32Array,
      states: hidden ? counts.map((n, row) => vectors(hidden, row, n)) : null,
    };
  }

  /** Row i goes on from what was row `order[i]`. */
  reorder(order: readonly number[]): void {
    this.#cache.reorder(order);
  }

  /** Forgets all but the first of each row's tokens, the learned ones included. */
  truncate(lengths: readonly number[]): void {
    this.#cache.truncate(lengths);
  }

  /** Forgets all. */
  clear(): void {
    this.#cache.clear(0);
  }
}

interface PassInputs {
  ids(row: number, t: number): number;
  position(row: number, t: number): number;
  length(row: number, t: number): number;
  /** Which of the B · T tokens logits are wanted after. */
  readonly rows: readonly number[];
  /** How many of the T tokens are each row's own. */
  readonly counts: readonly number[];
  readonly T: number;
}

// The first n vectors of a row of (B, T, C).
function vectors({ data, shape }: HostTensor, row: number, n: number): Float32Array[] {
  const [, T, C] = shape as [number, number, number];
  return Array.from({ length: n }, (_, t) => (data as Float32Array).slice((row * T + t) * C, (row * T + t + 1) * C));
}
