// Runs a causal language model token by token: the prompt in one pass, then one token a step against a cache of keys and
// values that lives here, outside the graph, so that a step returns only what is new.
import { concat, constant, input, squeeze, unsqueeze, type Tensor } from '@brickwork/graph';
import { evaluating, parameters } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import type { Past } from './attention.ts';
import { masked } from './attention.ts';
import type { CausalLM } from './causal-lm.ts';
import { DecoderPrograms, type DecoderProgramsOptions } from './decoder-programs.ts';
import type { Decoder } from './generation/decoder.ts';
import { takeTokens } from './take-tokens.ts';

const one = constant(BigInt64Array.of(1n), []);
/** Slots by which the cache grows. */
const page = 64;

/** How a {@link CachedDecoder} runs, and what it keeps. */
export interface DecoderOptions extends DecoderProgramsOptions {
  /** Keeps the last layer's hidden state of every token, as contrastive search needs it; false unless given. */
  readonly hiddenStates?: boolean;
}

/**
 * A {@link Decoder} over a compiled model. Rows are independent: each holds its own length, so that prompts of different
 * lengths in one batch give what each gives alone.
 */
export class CachedDecoder implements Decoder {
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly #model: CausalLM;
  readonly #keepsStates: boolean;
  readonly #programs: DecoderPrograms;
  // Learned tokens that stand before each row's own.
  #before = 0;
  // A vector for each token of each row, where they are kept.
  #states: Float32Array[][] = [];
  #lengths: number[] = [];
  #capacity = 0;
  // Per layer keys, then values: (rows, H, capacity, D).
  #cache: Float32Array[] = [];

  constructor(
    model: CausalLM,
    weights: ReadonlyMap<string, HostTensor>,
    { hiddenStates = false, ...options }: DecoderOptions = {},
  ) {
    this.#model = model;
    this.#programs = new DecoderPrograms(weights, options);
    this.#keepsStates = hiddenStates;
    this.vocabularySize = model.config.vocab_size;
    this.contextLength = model.contextLength;
  }

  async prefill(prompts: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array> {
    signal?.throwIfAborted();
    if (!prompts.length) throw new Error('decoder: no prompts');
    const B = prompts.length;
    const T = Math.max(...prompts.map((p) => p.length));
    prompts.forEach((prompt, row) => {
      if (!prompt.length) throw new Error(`decoder: prompt ${row} is empty; it needs one token or more`);
      if (prompt.length > this.contextLength)
        throw new Error(
          `decoder: prompt ${row} has ${prompt.length} tokens, but the model sees ${this.contextLength}; cut the prompt`,
        );
      this.#check(prompt, row);
    });
    const ids = new BigInt64Array(B * T);
    prompts.forEach((prompt, row) => prompt.forEach((id, t) => (ids[row * T + t] = BigInt(id))));
    const ends = BigInt64Array.from(prompts, (p) => BigInt(p.length - 1));
    const out = await this.#run('prefill', () => tracePrefill(this.#model, this.#keepsStates), {
      input_ids: hostTensor(ids, [B, T]),
      ends: hostTensor(ends, [B, 1]),
    });
    this.#lengths = prompts.map(() => 0);
    this.#capacity = 0;
    this.#cache = [];
    const present = out['present']!; // (2 layers, B, H, n+T, D)
    const before = present.shape[3]! - T;
    this.#before = before;
    this.#reserve(before + T + 1);
    this.#store(
      present.data as Float32Array,
      before + T,
      prompts.map((p) => before + p.length),
    );
    this.#states = prompts.map(() => []);
    this.#keep(
      out['hidden'],
      prompts.map((p) => p.length),
    );
    return out['logits']!.data as Float32Array;
  }

  step(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    return this.#append(
      ids.map((id) => [id]),
      signal,
    );
  }

  stepMany(ids: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array> {
    return this.#append(ids, signal);
  }

  async #append(ids: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array> {
    signal?.throwIfAborted();
    const B = this.#lengths.length;
    if (ids.length !== B) throw new Error(`decoder: ${ids.length} tokens for ${B} rows; needs one for each`);
    const T = ids[0]!.length;
    for (const row of ids) {
      if (row.length !== T || !T) throw new Error(`decoder: ${row.length} tokens for a row and ${T} for the first`);
      this.#check(row, null);
    }
    const longest = Math.max(...this.#lengths);
    if (longest - this.#before + T > this.contextLength)
      throw new Error(`decoder: the context of ${this.contextLength} tokens is full; start over with a shorter prompt`);
    this.#reserve(longest + T);
    const { layers, cacheHeads: H, headWidth: D } = this.#model;
    const P = this.#capacity;
    const positions = this.#lengths.flatMap((length) => Array.from({ length: T }, (_, t) => BigInt(length + t)));
    const feeds: Record<string, HostTensor> = {
      input_ids: hostTensor(BigInt64Array.from(ids.flat(), BigInt), [B, T]),
      positions: hostTensor(BigInt64Array.from(positions), [B, T]),
    };
    for (const window of new Set(this.#model.windows))
      feeds[maskName(window)] = hostTensor(this.#mask(T, window), [B, 1, T, P + T]);
    for (let layer = 0; layer < layers; layer++) {
      feeds[`past.${layer}.key`] = hostTensor(this.#cache[2 * layer]!, [B, H, P, D]);
      feeds[`past.${layer}.value`] = hostTensor(this.#cache[2 * layer + 1]!, [B, H, P, D]);
    }
    const trace = (): Record<string, Tensor> => traceDecode(this.#model, T === 1 ? 1 : 'T', this.#keepsStates);
    const out = await this.#run(T === 1 ? 'step' : 'many', trace, feeds);
    const counts = ids.map(() => T);
    this.#store(out['present']!.data as Float32Array, T, counts);
    this.#keep(out['hidden'], counts);
    return out['logits']!.data as Float32Array;
  }

  // What each of T new tokens must not see: slots of the cache that hold nothing, later ones, and those too far back.
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

  truncate(lengths: readonly number[]): void {
    if (lengths.length !== this.#lengths.length)
      throw new Error(`decoder: ${lengths.length} lengths for ${this.#lengths.length} rows`);
    lengths.forEach((length, row) => {
      const own = this.#lengths[row]! - this.#before;
      if (!(Number.isInteger(length) && length > 0 && length <= own))
        throw new Error(`decoder: row ${row} has ${own} tokens and can't be cut to ${length}`);
    });
    this.#lengths = lengths.map((length) => this.#before + length);
    this.#states = this.#states.map((own, row) => own.slice(0, lengths[row]));
  }

  hiddenStates(row: number): readonly Float32Array[] {
    if (!this.#keepsStates) throw new Error('decoder: hidden states are not kept; make it with hiddenStates: true');
    const own = this.#states[row];
    if (!own) throw new Error(`decoder: there is no row ${row} of ${this.#states.length}`);
    return own;
  }

  reorder(order: readonly number[]): void {
    const before = this.#lengths.length;
    for (const row of order)
      if (!(Number.isInteger(row) && row >= 0 && row < before))
        throw new Error(`decoder: reorder to row ${row} of ${before}`);
    if (order.length === before && order.every((row, i) => row === i)) return;
    const { cacheHeads, headWidth } = this.#model;
    const size = cacheHeads * this.#capacity * headWidth;
    this.#cache = this.#cache.map((rows) => {
      const next = new Float32Array(order.length * size);
      order.forEach((row, i) => next.set(rows.subarray(row * size, (row + 1) * size), i * size));
      return next;
    });
    this.#lengths = order.map((row) => this.#lengths[row]!);
    this.#states = this.#keepsStates ? order.map((row) => [...this.#states[row]!]) : [];
  }

  async dispose(): Promise<void> {
    this.#cache = [];
    await this.#programs.dispose();
  }

  #run(
    name: 'prefill' | 'step' | 'many',
    trace: () => Record<string, Tensor>,
    feeds: Record<string, HostTensor>,
  ): Promise<Record<string, HostTensor>> {
    return this.#programs.run(this.#keepsStates ? `${name} with hidden states` : name, trace, feeds);
  }

  // Keeps the first `counts[row]` of each row's vectors: (B, T, C).
  #keep(hidden: HostTensor | undefined, counts: readonly number[]): void {
    if (!hidden) return;
    const [, T, C] = hidden.shape as [number, number, number];
    counts.forEach((n, row) => {
      for (let t = 0; t < n; t++)
        this.#states[row]!.push((hidden.data as Float32Array).slice((row * T + t) * C, (row * T + t + 1) * C));
    });
  }

  #check(ids: readonly number[], row: number | null): void {
    const V = this.vocabularySize;
    for (const id of ids)
      if (!(Number.isInteger(id) && id >= 0 && id < V))
        throw new Error(
          `decoder: id ${id}${row === null ? '' : ` in prompt ${row}`} is outside the vocabulary of ${V}; is this the model's own tokenizer?`,
        );
  }

  // Makes room for `length` tokens a row.
  #reserve(length: number): void {
    if (length <= this.#capacity) return;
    const { layers, cacheHeads: H, headWidth: D } = this.#model;
    const from = this.#capacity;
    const to = Math.ceil(length / page) * page;
    const B = this.#lengths.length;
    const grown = Array.from({ length: 2 * layers }, () => new Float32Array(B * H * to * D));
    this.#cache.forEach((old, i) => {
      for (let r = 0; r < B * H; r++) grown[i]!.set(old.subarray(r * from * D, (r + 1) * from * D), r * to * D);
    });
    this.#cache = grown;
    this.#capacity = to;
  }

  // Appends the first `counts[row]` of T new tokens to each row. present: (2 layers, B, H, T, D).
  #store(present: Float32Array, T: number, counts: readonly number[]): void {
    const { cacheHeads: H, headWidth: D } = this.#model;
    const B = counts.length;
    this.#cache.forEach((slots, i) => {
      for (let row = 0; row < B; row++)
        for (let h = 0; h < H; h++) {
          const from = ((i * B + row) * H + h) * T * D;
          const to = ((row * H + h) * this.#capacity + this.#lengths[row]!) * D;
          slots.set(present.subarray(from, from + counts[row]! * D), to);
        }
    });
    counts.forEach((n, row) => (this.#lengths[row]! += n));
  }
}

// Keys and values of every layer in one tensor: (2 layers, B, H, T, D).
const joined = (present: readonly Past[]): Tensor =>
  concat(
    present.flatMap(({ key, value }) => [unsqueeze(key, 0), unsqueeze(value, 0)]),
    0,
  );

// The mask of the layers that see so many positions back.
const maskName = (window: number | null): string => (window === null ? 'mask' : `mask.${window}`);

/** The graph of the first pass: input_ids (B, T) and where each row ends (B, 1), whose logits are given. */
function tracePrefill(model: CausalLM, keepsStates: boolean): Record<string, Tensor> {
  parameters(model);
  const ids = input('input_ids', ['B', 'T'], 'int64');
  const ends = input('ends', ['B', 1], 'int64');
  const { last, present } = model.forward(ids, evaluating(), { lengths: ends.add(one) });
  const hidden = takeTokens(last, squeeze(ends, 1)); // (B, C)
  return { logits: model.head(hidden), present: joined(present), ...(keepsStates && { hidden: last }) };
}

/** The graph of further tokens, one or several a row: input_ids (B, T) against P cached positions. */
function traceDecode(model: CausalLM, T: 1 | 'T', keepsStates: boolean): Record<string, Tensor> {
  parameters(model);
  const { layers, cacheHeads: H, headWidth: D } = model;
  const past = Array.from({ length: layers }, (_, layer): Past => {
    const side = (name: string): Tensor => input(`past.${layer}.${name}`, ['B', H, 'P', D]);
    return { key: side('key'), value: side('value') };
  });
  const positions = input('positions', ['B', T], 'int64');
  const masks = new Map([...new Set(model.windows)].map((w) => [w, input(maskName(w), ['B', 1, T, `P+${T}`])]));
  const { last, present } = model.forward(input('input_ids', ['B', T], 'int64'), evaluating(), {
    positions,
    // Each token turns as if it came alone.
    lengths: positions.add(one),
    mask: (window) => masks.get(window)!,
    past,
  });
  const logits = model.head(T === 1 ? squeeze(last, 1) : last); // (B, V) or (B, T, V)
  return { logits, present: joined(present), ...(keepsStates && { hidden: last }) };
}
