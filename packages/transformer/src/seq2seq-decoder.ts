// Runs an encoder-decoder token by token: each source is read once, the keys and values of cross-attention are computed
// once, and every further token of the targets takes one step against a cache that lives outside the graph.
import { concat, input, unsqueeze, type Tensor } from '@brickwork/graph';
import { evaluating, parameters } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { masked, type Past } from './attention.ts';
import { joinPresent, pastInputs, scores } from './decoder-graph.ts';
import { DecoderPrograms } from './decoder-programs.ts';
import type { DecoderOptions } from './decoder.ts';
import type { Decoder } from './generation/decoder.ts';
import { targetDefaults, type TargetDefaults } from './generation/target-defaults.ts';
import { KeyValueCache, takeRows } from './key-value-cache.ts';
import type { Model } from './model.ts';
import { isSeq2Seq, type Memory, type Seq2Seq } from './seq2seq.ts';

/** What the decoder knows of the sources, once for each of the rows. */
interface Read {
  /** Which source each row writes about. */
  readonly of: readonly number[];
  /** `memory.L.key`, `memory.L.value` (rows, H, S, D) and `memory.mask` (rows, 1, 1, S). */
  readonly feeds: Readonly<Record<string, HostTensor>>;
}

/**
 * A {@link Decoder} of targets over a compiled encoder-decoder. Give it sources with {@link Seq2SeqDecoder.read}; a prompt
 * is then what its target starts with, usually one token. Rows are independent: sources and targets of different lengths
 * in one batch give what each gives alone.
 */
export class Seq2SeqDecoder implements Decoder {
  readonly vocabularySize: number;
  readonly contextLength: number;
  /** Size of the sources' vocabulary, and how many tokens a source can hold. */
  readonly sourceVocabulary: number;
  readonly sourceLength: number;
  /** How the model is meant to write. */
  readonly defaults: TargetDefaults;
  readonly #model: Seq2Seq;
  readonly #programs: DecoderPrograms;
  readonly #cache: KeyValueCache;
  readonly #keepsStates: boolean;
  // Of each row, the last layer's state of each token; empty unless kept.
  #states: Float32Array[][] = [];
  #normalizers: Float32Array = new Float32Array(0);
  #sources: readonly (readonly number[])[] = [];
  // What was read of the sources, one row each; null until prefill.
  #read: Read | null = null;
  #rows: Read | null = null;

  constructor(
    model: Seq2Seq,
    weights: ReadonlyMap<string, HostTensor>,
    { defaults, hiddenStates = false, ...options }: DecoderOptions & { readonly defaults?: TargetDefaults } = {},
  ) {
    this.#keepsStates = hiddenStates;
    this.#model = model;
    this.defaults = defaults ?? targetDefaults({ network: model, config: {}, generationConfig: {} });
    this.#programs = new DecoderPrograms(weights, options);
    this.#cache = new KeyValueCache({ layers: model.layers, heads: model.cacheHeads, width: model.headWidth });
    this.vocabularySize = model.vocabularySize;
    this.contextLength = model.contextLength;
    this.sourceVocabulary = model.sourceVocabulary;
    this.sourceLength = model.sourceLength;
  }

  /**
   * Sets the sources, token ids with the end token that the model expects, of any lengths. The next `prefill` takes one
   * prompt for each and reads them; later ones reuse what was read.
   *
   * @throws where a source is empty, longer than the model can read, or holds an id outside the vocabulary.
   */
  read(sources: readonly (readonly number[])[]): void {
    checkSources(sources, this, 'read');
    this.#sources = sources.map((ids) => [...ids]);
    this.#read = null;
  }

  async prefill(prompts: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array> {
    signal?.throwIfAborted();
    const B = prompts.length;
    if (!this.#sources.length) throw new Error('decoder: no sources; give them with read before the first prefill');
    if (B !== this.#sources.length)
      throw new Error(`decoder: ${B} prompts for ${this.#sources.length} sources; needs one for each`);
    prompts.forEach((prompt, row) => {
      if (!prompt.length)
        throw new Error(`decoder: prompt ${row} is empty; a target starts with one token or more, see startId`);
      if (prompt.length > this.contextLength)
        throw new Error(
          `decoder: prompt ${row} has ${prompt.length} tokens, but the model writes ${this.contextLength}; cut the prompt`,
        );
      this.#check(prompt, row);
    });
    this.#read ??= await this.#encode();
    signal?.throwIfAborted();
    this.#rows = this.#read;
    this.#cache.clear(B);
    this.#states = prompts.map(() => []);
    const T = Math.max(...prompts.map((p) => p.length));
    const ends = prompts.map((p, row) => row * T + p.length - 1);
    return await this.#pass(prompts, T, ends);
  }

  // Appends the tokens of each row, T at most; gives the logits after those of `rows`, counted through all rows.
  async #pass(ids: readonly (readonly number[])[], T: number, rows: readonly number[]): Promise<Float32Array> {
    const { lengths } = this.#cache;
    const B = lengths.length;
    if (lengths.some((n) => n > 0)) this.#cache.reserve(Math.max(...lengths) + T);
    const values = (of: (row: number, t: number) => number): HostTensor =>
      hostTensor(
        BigInt64Array.from({ length: B * T }, (_, i) => BigInt(of(Math.floor(i / T), i % T))),
        [B, T],
      );
    const name = this.#keepsStates ? 'more with hidden states' : 'more';
    const out = await this.#programs.run(name, () => traceMore(this.#model, this.#keepsStates), {
      ...this.#rows!.feeds,
      ...this.#cache.feeds(T),
      decoder_input_ids: values((row, t) => ids[row]![t] ?? 0),
      positions: values((row, t) => lengths[row]! + t),
      rows: hostTensor(BigInt64Array.from(rows, BigInt), [rows.length]),
    });
    const counts = ids.map((own) => own.length);
    this.#cache.reserve(Math.max(...lengths) + T);
    this.#cache.append(out['present']!.data as Float32Array, T, counts);
    this.#keep(out['hidden'], counts);
    this.#normalizers = out['normalizers']!.data as Float32Array;
    return out['logits']!.data as Float32Array;
  }

  get normalizers(): Float32Array {
    return this.#normalizers;
  }

  step(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    return this.stepMany(
      ids.map((id) => [id]),
      signal,
    );
  }

  async stepMany(ids: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array> {
    signal?.throwIfAborted();
    if (!this.#rows) throw new Error('decoder: step before prefill');
    const { lengths } = this.#cache;
    const B = lengths.length;
    if (ids.length !== B) throw new Error(`decoder: ${ids.length} tokens for ${B} rows; needs one for each`);
    const T = ids[0]!.length;
    for (const row of ids) {
      if (row.length !== T || !T) throw new Error(`decoder: ${row.length} tokens for a row and ${T} for the first`);
      this.#check(row, null);
    }
    const longest = Math.max(...lengths);
    if (longest + T > this.contextLength)
      throw new Error(
        `decoder: all ${this.contextLength} positions of the target are full; the model can't write more`,
      );
    return await this.#pass(
      ids,
      T,
      Array.from({ length: B * T }, (_, i) => i),
    );
  }

  truncate(lengths: readonly number[]): void {
    this.#cache.truncate(lengths);
    this.#states = this.#states.map((own, row) => own.slice(0, lengths[row]));
  }

  /** Whether it was made to keep hidden states. */
  get keepsStates(): boolean {
    return this.#keepsStates;
  }

  hiddenStates(row: number): readonly Float32Array[] {
    if (!this.#keepsStates) throw new Error('decoder: hidden states are not kept; make it with hiddenStates: true');
    const own = this.#states[row];
    if (!own) throw new Error(`decoder: there is no row ${row} of ${this.#states.length}`);
    return own;
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

  reorder(order: readonly number[]): void {
    const before = this.#cache.lengths.length;
    for (const row of order)
      if (!(Number.isInteger(row) && row >= 0 && row < before))
        throw new Error(`decoder: reorder to row ${row} of ${before}`);
    if (!this.#rows || (order.length === before && order.every((row, i) => row === i))) return;
    this.#cache.reorder(order);
    this.#states = this.#keepsStates ? order.map((row) => [...this.#states[row]!]) : [];
    // Beams of one source change places often; what they know of it is the same.
    const { of, feeds } = this.#rows;
    const now = order.map((row) => of[row]!);
    if (now.length === of.length && now.every((source, i) => source === of[i])) return;
    const taken = Object.entries(feeds).map(([name, { data, shape }]) => {
      const size = data.length / shape[0]!;
      return [
        name,
        hostTensor(takeRows(data as Float32Array, order, size), [order.length, ...shape.slice(1)]),
      ] as const;
    });
    this.#rows = { of: now, feeds: Object.fromEntries(taken) };
  }

  async dispose(): Promise<void> {
    this.#read = this.#rows = null;
    this.#cache.clear(0);
    await this.#programs.dispose();
  }

  async #encode(): Promise<Read> {
    const sources = this.#sources;
    const { layers, cacheHeads: H, headWidth: D } = this.#model;
    const B = sources.length;
    const S = Math.max(...sources.map((ids) => ids.length));
    const ids = new BigInt64Array(B * S);
    const seen = new BigInt64Array(B * S);
    const mask = new Float32Array(B * S);
    sources.forEach((source, row) => {
      source.forEach((id, s) => (ids[row * S + s] = BigInt(id)));
      seen.fill(1n, row * S, row * S + source.length);
      mask.fill(masked, row * S + source.length, (row + 1) * S);
    });
    const out = await this.#programs.run('encode', () => traceEncode(this.#model), {
      input_ids: hostTensor(ids, [B, S]),
      attention_mask: hostTensor(seen, [B, S]),
    });
    const memory = out['memory']!.data as Float32Array; // (2 layers, B, H, S, D)
    const size = B * H * S * D;
    const part = (i: number): HostTensor => hostTensor(memory.subarray(i * size, (i + 1) * size), [B, H, S, D]);
    const feeds: Record<string, HostTensor> = { 'memory.mask': hostTensor(mask, [B, 1, 1, S]) };
    for (let layer = 0; layer < layers; layer++) {
      feeds[`memory.${layer}.key`] = part(2 * layer);
      feeds[`memory.${layer}.value`] = part(2 * layer + 1);
    }
    return { of: sources.map((_, row) => row), feeds };
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

/**
 * What drives generation by an encoder-decoder (see `generateFrom`); dispose it when done.
 *
 * @throws where the model is something else, or its files ask for a way to generate that isn't implemented.
 */
export function seq2seqDecoder(model: Model, options: DecoderOptions = {}): Seq2SeqDecoder {
  const { network, weights, className } = model;
  if (!isSeq2Seq(network)) throw new Error(`${className} is not an encoder-decoder that writes text`);
  return new Seq2SeqDecoder(network, weights, { ...options, defaults: targetDefaults(model) });
}

/** @throws where there is no source, or one is empty, too long, or holds an id outside the vocabulary. */
export function checkSources(
  sources: readonly (readonly number[])[],
  { sourceVocabulary, sourceLength }: Pick<Seq2SeqDecoder, 'sourceVocabulary' | 'sourceLength'>,
  who: string,
): void {
  if (!sources.length) throw new Error(`${who}: no sources; needs one or more`);
  sources.forEach((source, s) => {
    if (!source.length) throw new Error(`${who}: source ${s} is empty; needs one token or more, such as the end token`);
    if (source.length > sourceLength)
      throw new Error(
        `${who}: source ${s} has ${source.length} tokens, but the model reads ${sourceLength}; shorten it by ${source.length - sourceLength} or more`,
      );
    for (const id of source)
      if (!(Number.isInteger(id) && id >= 0 && id < sourceVocabulary))
        throw new Error(
          `${who}: source ${s} holds id ${String(id)}; needs whole numbers from 0 to ${sourceVocabulary - 1}. Is this the model's own tokenizer?`,
        );
  });
}

// Keys and values of every layer in one tensor: (2 layers, B, H, T, D).
const joined = (present: readonly Past[]): Tensor =>
  concat(
    present.flatMap(({ key, value }) => [unsqueeze(key, 0), unsqueeze(value, 0)]),
    0,
  );

/** The graph that reads sources: input_ids and attention_mask (B, S) to the keys and values of cross-attention. */
function traceEncode(model: Seq2Seq): Record<string, Tensor> {
  parameters(model);
  const ids = input('input_ids', ['B', 'S'], 'int64');
  const ctx = evaluating();
  const { last } = model.encode(ids, ctx, input('attention_mask', ['B', 'S'], 'int64'));
  return { memory: joined(model.remember(last, ctx)) };
}

function memoryInputs(model: Seq2Seq): Memory {
  const { layers, cacheHeads: H, headWidth: D } = model;
  const side = (layer: number, name: string): Tensor => input(`memory.${layer}.${name}`, ['B', H, 'S', D]);
  return {
    layers: Array.from({ length: layers }, (_, l) => ({ key: side(l, 'key'), value: side(l, 'value') })),
    mask: input('memory.mask', ['B', 1, 1, 'S']),
  };
}

/** The graph of tokens, one or several a row, against P cached positions, which may be none; see `traceMore`. */
function traceMore(model: Seq2Seq, keepsStates: boolean): Record<string, Tensor> {
  parameters(model);
  const { last, present } = model.decode(
    input('decoder_input_ids', ['B', 'T'], 'int64'),
    evaluating(),
    memoryInputs(model),
    {
      positions: input('positions', ['B', 'T'], 'int64'),
      mask: input('mask', ['B', 1, 'T', 'P+T']),
      past: pastInputs(model),
    },
  );
  return { ...scores(model, last), present: joinPresent(present), ...(keepsStates && { hidden: last }) };
}
