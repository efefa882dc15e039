// Runs a causal language model token by token: the prompt in a few passes, then one token a step against a cache of keys and
// values that lives outside the graph, so that a step returns only what is new.
import type { Tensor } from '@brickwork/graph';
import { modelSource, type CompileOptions, type HostTensor, type ModelSource } from '@brickwork/runtime';
import { CachedRows, type Passed, type RowsShape } from './cached-rows.ts';
import type { CausalLM } from './causal-lm.ts';
import { learnedTokens, traceFirst, traceMore } from './decoder-graph.ts';
import { DecoderPrograms, type DecoderProgramsOptions } from './decoder-programs.ts';
import { DecoderThread } from './decoder-thread.ts';
import type { Decoder } from './generation/decoder.ts';

/** How a {@link CachedDecoder} runs, and what it keeps. */
export interface DecoderOptions extends DecoderProgramsOptions {
  /** Keeps the last layer's hidden state of every token, as contrastive search needs it; false unless given. */
  readonly hiddenStates?: boolean;
  /**
   * Gives the decoder a thread of its own, which computes and holds the cache, so that nothing blocks this one; false unless
   * given (`Model.decoder` gives it to all but small models). Decoders of shared programs have none.
   */
  readonly worker?: boolean;
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
  readonly #options: CompileOptions;
  readonly #hasThread: boolean;
  // Learned tokens that stand before each row's own.
  readonly #before: number;
  // Made when first needed, and anew after `dispose`.
  #rows: Promise<CachedRows | DecoderThread> | null = null;
  #now: CachedRows | DecoderThread | null = null;
  // Of each row: how many tokens it holds, and a vector for each of them where they are kept.
  #lengths: number[] = [];
  #states: Float32Array[][] = [];
  #normalizers: Float32Array = new Float32Array(0);

  constructor(
    model: CausalLM,
    weights: ReadonlyMap<string, HostTensor>,
    { hiddenStates = false, worker = false, ...options }: DecoderOptions = {},
  ) {
    this.#model = model;
    this.#hasThread = worker && !options.programs;
    const { programs: _, weights: __, dtype: ___, dtypeOf: ____, blockSize: _____, ...compile } = options;
    this.#options = compile;
    this.#programs = new DecoderPrograms(weights, options);
    this.#keepsStates = hiddenStates;
    this.#before = learnedTokens(model);
    this.vocabularySize = model.config.vocab_size;
    this.contextLength = model.contextLength;
  }

  get normalizers(): Float32Array {
    return this.#normalizers;
  }

  async prefill(prompts: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array> {
    signal?.throwIfAborted();
    this.#checkPrompts(prompts);
    const rows = await this.#open();
    this.#lengths = [];
    this.#states = [];
    const passed = await rows.prefill(prompts, signal);
    return this.#add(prompts, passed);
  }

  async join(prompts: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array> {
    signal?.throwIfAborted();
    this.#checkPrompts(prompts);
    const rows = await this.#open();
    const passed = await rows.join(prompts, signal);
    return this.#add(prompts, passed);
  }

  #add(prompts: readonly (readonly number[])[], { logits, normalizers, states }: Passed): Float32Array {
    this.#lengths.push(...prompts.map((p) => p.length));
    if (states) this.#states.push(...states);
    this.#normalizers = normalizers;
    return logits;
  }

  step(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    return this.stepMany(
      ids.map((id) => [id]),
      signal,
    );
  }

  async stepMany(ids: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array> {
    signal?.throwIfAborted();
    const B = this.#lengths.length;
    if (!B) throw new Error('decoder: step before prefill');
    if (ids.length !== B) throw new Error(`decoder: ${ids.length} tokens for ${B} rows; needs one for each`);
    const T = ids[0]!.length;
    for (const row of ids) {
      if (row.length !== T || !T) throw new Error(`decoder: ${row.length} tokens for a row and ${T} for the first`);
      this.#check(row, null);
    }
    if (Math.max(...this.#lengths) + T > this.contextLength)
      throw new Error(`decoder: the context of ${this.contextLength} tokens is full; start over with a shorter prompt`);
    const rows = await this.#open();
    const { logits, normalizers, states } = await rows.append(ids);
    this.#lengths = this.#lengths.map((length) => length + T);
    states?.forEach((own, row) => this.#states[row]!.push(...own));
    this.#normalizers = normalizers;
    return logits;
  }

  truncate(lengths: readonly number[]): void {
    if (lengths.length !== this.#lengths.length)
      throw new Error(`decoder: ${lengths.length} lengths for ${this.#lengths.length} rows`);
    lengths.forEach((length, row) => {
      const own = this.#lengths[row]!;
      if (!(Number.isInteger(length) && length > 0 && length <= own))
        throw new Error(`decoder: row ${row} has ${own} tokens and can't be cut to ${length}`);
    });
    this.#now?.truncate(lengths.map((length) => this.#before + length));
    this.#lengths = [...lengths];
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
    this.#now?.reorder(order);
    this.#lengths = order.map((row) => this.#lengths[row]!);
    this.#states = this.#keepsStates ? order.map((row) => [...this.#states[row]!]) : [];
  }

  async dispose(): Promise<void> {
    const rows = await this.#rows?.catch(() => null);
    this.#rows = this.#now = null;
    this.#lengths = [];
    this.#states = [];
    if (rows instanceof DecoderThread) await rows.dispose();
    else rows?.clear();
    await this.#programs.dispose();
  }

  async #open(): Promise<CachedRows | DecoderThread> {
    if (!this.#rows) {
      this.#rows = this.#hasThread ? this.#thread() : Promise.resolve(this.#here());
      this.#rows.catch(() => (this.#rows = null));
    }
    return (this.#now = await this.#rows);
  }

  get #shape(): RowsShape {
    const { layers, cacheHeads: heads, headWidth: width, windows } = this.#model;
    return { layers, heads, width, windows, before: this.#before, vocabularySize: this.vocabularySize };
  }

  #trace(name: 'first' | 'more'): Record<string, Tensor> {
    return (name === 'first' ? traceFirst : traceMore)(this.#model, { keepsStates: this.#keepsStates });
  }

  #here(): CachedRows {
    return new CachedRows((name, feeds) => {
      const key = this.#keepsStates ? `${name} with hidden states` : name;
      return this.#programs.run(key, () => this.#trace(name), feeds);
    }, this.#shape);
  }

  async #thread(): Promise<DecoderThread> {
    const sources: ModelSource[] = [];
    const source = async (name: 'first' | 'more'): Promise<Uint8Array | string> => {
      const made = await modelSource(this.#programs.withWeights(this.#trace(name)));
      sources.push(made);
      return made.model;
    };
    try {
      const models = { more: await source('more'), first: this.#before ? await source('first') : null };
      return await DecoderThread.open(models, this.#shape, this.#options);
    } finally {
      for (const one of sources) await one.release();
    }
  }

  #checkPrompts(prompts: readonly (readonly number[])[]): void {
    if (!prompts.length) throw new Error('decoder: no prompts');
    prompts.forEach((prompt, row) => {
      if (!prompt.length) throw new Error(`decoder: prompt ${row} is empty; it needs one token or more`);
      if (prompt.length > this.contextLength)
        throw new Error(
          `decoder: prompt ${row} has ${prompt.length} tokens, but the model sees ${this.contextLength}; cut the prompt`,
        );
      this.#check(prompt, row);
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
}
