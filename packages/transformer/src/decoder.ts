// Runs a causal language model token by token: the prompt in one pass, then one token a step against a cache of keys and
// values that lives here, outside the graph, so that a step returns only what is new.
import { concat, constant, input, squeeze, unsqueeze, type Tensor } from '@brickwork/graph';
import { evaluating, parameters } from '@brickwork/nn';
import { compile, hostTensor, type CompileOptions, type HostTensor, type Program } from '@brickwork/runtime';
import type { Past } from './attention.ts';
import { masked } from './attention.ts';
import type { CausalLM } from './causal-lm.ts';
import type { Decoder } from './generation/decoder.ts';
import { takeTokens } from './take-tokens.ts';

const one = constant(BigInt64Array.of(1n), []);
/** Slots by which the cache grows. */
const page = 64;

/**
 * A {@link Decoder} over a compiled model. Rows are independent: each holds its own length, so that prompts of different
 * lengths in one batch give what each gives alone.
 */
export class CachedDecoder implements Decoder {
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly #model: CausalLM;
  readonly #weights: ReadonlyMap<string, HostTensor>;
  readonly #options: CompileOptions;
  #prefill: Promise<Program> | null = null;
  #decode: Promise<Program> | null = null;
  #lengths: number[] = [];
  #capacity = 0;
  // Per layer keys, then values: (rows, H, capacity, D).
  #cache: Float32Array[] = [];

  constructor(model: CausalLM, weights: ReadonlyMap<string, HostTensor>, options: CompileOptions = {}) {
    this.#model = model;
    this.#weights = weights;
    this.#options = options;
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
    this.#prefill ??= this.#compile(tracePrefill(this.#model));
    const out = await (await this.#prefill).run({ input_ids: hostTensor(ids, [B, T]), ends: hostTensor(ends, [B, 1]) });
    this.#lengths = prompts.map(() => 0);
    this.#capacity = 0;
    this.#cache = [];
    this.#reserve(T + 1);
    this.#store(
      out['present']!.data as Float32Array,
      T,
      prompts.map((p) => p.length),
    );
    return out['logits']!.data as Float32Array;
  }

  async step(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    signal?.throwIfAborted();
    const B = this.#lengths.length;
    if (ids.length !== B) throw new Error(`decoder: ${ids.length} tokens for ${B} rows; needs one for each`);
    this.#check(ids, null);
    const longest = Math.max(...this.#lengths);
    if (longest >= this.contextLength)
      throw new Error(`decoder: the context of ${this.contextLength} tokens is full; start over with a shorter prompt`);
    this.#reserve(longest + 1);
    const { layers, cacheHeads: H, headWidth: D } = this.#model;
    const P = this.#capacity;
    const feeds: Record<string, HostTensor> = {
      input_ids: hostTensor(BigInt64Array.from(ids, BigInt), [B, 1]),
      positions: hostTensor(BigInt64Array.from(this.#lengths, BigInt), [B, 1]),
    };
    for (const window of new Set(this.#model.windows)) {
      const mask = new Float32Array(B * (P + 1));
      this.#lengths.forEach((length, row) => {
        mask.fill(masked, row * (P + 1) + length, row * (P + 1) + P);
        if (window) mask.fill(masked, row * (P + 1), row * (P + 1) + Math.max(0, length - window + 1));
      });
      feeds[maskName(window)] = hostTensor(mask, [B, 1, 1, P + 1]);
    }
    for (let layer = 0; layer < layers; layer++) {
      feeds[`past.${layer}.key`] = hostTensor(this.#cache[2 * layer]!, [B, H, P, D]);
      feeds[`past.${layer}.value`] = hostTensor(this.#cache[2 * layer + 1]!, [B, H, P, D]);
    }
    this.#decode ??= this.#compile(traceDecode(this.#model));
    const out = await (await this.#decode).run(feeds);
    this.#store(
      out['present']!.data as Float32Array,
      1,
      ids.map(() => 1),
    );
    return out['logits']!.data as Float32Array;
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
  }

  async dispose(): Promise<void> {
    const programs = [this.#prefill, this.#decode];
    this.#prefill = this.#decode = null;
    this.#cache = [];
    for (const program of programs) await (await program)?.dispose();
  }

  // The weights stay with the program, so that a step gives it only what is new.
  async #compile(outputs: Record<string, Tensor>): Promise<Program> {
    const program = await compile(outputs, this.#options);
    await program.bind(this.#weights);
    return program;
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
function tracePrefill(model: CausalLM): Record<string, Tensor> {
  parameters(model);
  const ids = input('input_ids', ['B', 'T'], 'int64');
  const ends = input('ends', ['B', 1], 'int64');
  const { last, present } = model.forward(ids, evaluating(), { lengths: ends.add(one) });
  const hidden = takeTokens(last, squeeze(ends, 1)); // (B, C)
  return { logits: model.head(hidden), present: joined(present) };
}

/** The graph of every further token: input_ids (B, 1) against P cached positions. */
function traceDecode(model: CausalLM): Record<string, Tensor> {
  parameters(model);
  const { layers, cacheHeads: H, headWidth: D } = model;
  const past = Array.from({ length: layers }, (_, layer): Past => {
    const side = (name: string): Tensor => input(`past.${layer}.${name}`, ['B', H, 'P', D]);
    return { key: side('key'), value: side('value') };
  });
  const positions = input('positions', ['B', 1], 'int64');
  const masks = new Map([...new Set(model.windows)].map((w) => [w, input(maskName(w), ['B', 1, 1, 'P+1'])]));
  const { last, present } = model.forward(input('input_ids', ['B', 1], 'int64'), evaluating(), {
    positions,
    lengths: positions.add(one),
    mask: (window) => masks.get(window)!,
    past,
  });
  return { logits: model.head(squeeze(last, 1)), present: joined(present) };
}
