// Sentence embeddings (Reimers and Gurevych, 2019): one vector for each text, near those of texts that mean the same.
import { setImmediate } from 'node:timers/promises';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import type { Encoding, Tokenizer } from '@brickwork/tokenizer';
import type { Model, ModelOptions } from '@brickwork/transformer';
import { encoderModel, withWeights, type EncoderParts } from './encoder-parts.ts';
import { loadEncoder, type LoadEncoderOptions } from './load-encoder.ts';
import { planBatches } from './plan-batches.ts';
import type { SentenceNetwork } from './sentence-network.ts';
import { saveEncoder } from './save-encoder.ts';
import { normalizeVector } from './unit-length.ts';

/** How texts are encoded. */
export interface EncodeOptions {
  /** Most texts of a run; 64 unless given. Texts of similar length run together, whatever their order. */
  readonly batchSize?: number;
  /** Gives vectors of length one; false unless given (some encoders do so by themselves). */
  readonly normalize?: boolean;
  /** Put before each text. */
  readonly prompt?: string;
  /** The name of one of the encoder's prompts, in place of `prompt`; its default one where neither is given. */
  readonly promptName?: string;
  /** Keeps so many axes, the first ones, for encoders trained for it (Kusupati et al., 2022, "Matryoshka"). */
  readonly dimension?: number;
  readonly signal?: AbortSignal;
  /** Called after each run; in a stream `total` is how many texts were read so far. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** A text of a stream with its vector. */
export interface EncodedText {
  readonly index: number;
  readonly text: string;
  readonly vector: Float32Array;
}

const known = ['batchSize', 'normalize', 'prompt', 'promptName', 'dimension', 'signal', 'onProgress'];
// Tokens of a run at most; padding of a run at most; texts of a stream that are sorted together, in runs.
const plan = { tokens: 4096, waste: 0.1 };
const runsAtOnce = 16;

interface Encoded {
  readonly ids: readonly number[];
  /** How many of them, the first ones, are a prompt's that doesn't count. */
  readonly uncounted: number;
  /** How often each id stands in the text, where each is given once; null where they stand as in the text. */
  readonly counts: readonly number[] | null;
}

/** Gives texts vectors. */
export class SentenceEncoder {
  /** The parts that it is made of. */
  readonly parts: EncoderParts;
  /** The network with all modules: what runs, and what is trained. */
  readonly model: Model;
  readonly #network: SentenceNetwork;

  constructor(parts: EncoderParts, compile: ModelOptions = {}) {
    this.parts = parts;
    this.model = encoderModel(parts, compile);
    this.#network = this.model.network as SentenceNetwork;
  }

  /**
   * Opens an encoder: a folder of sentence-transformers (Transformer or StaticEmbedding; Pooling, Dense, LayerNorm, Dropout,
   * Normalize), the folder of a Transformer alone, whose token states are averaged, or such a model's name on the hub.
   *
   * @throws where a file is missing or broken, a module or setting isn't known, or a weight isn't a finite number.
   */
  static async load(pathOrHubId: string, options: LoadEncoderOptions = {}): Promise<SentenceEncoder> {
    return new SentenceEncoder(await loadEncoder(pathOrHubId, options), options.compile);
  }

  get tokenizer(): Tokenizer {
    return this.parts.tokenizer;
  }
  /** Axes of a vector. */
  get dimension(): number {
    return this.#network.width;
  }
  /** Most tokens of a text, those around it included: what is longer is cut. Infinity where there is no such limit. */
  get maxLength(): number {
    return this.parts.settings.maxLength ?? Infinity;
  }
  /** Texts to put before others, by name: `query`, `passage`. */
  get prompts(): Readonly<Record<string, string>> {
    return this.parts.settings.prompts;
  }
  /** What its vectors are made to be compared by: `cosine`, `dot`, `euclidean` or `manhattan`. */
  get similarity(): string {
    return this.parts.settings.similarity;
  }

  /** The same encoder with other weights, by the names that `model.weights` has. */
  withWeights(weights: ReadonlyMap<string, HostTensor>): SentenceEncoder {
    return new SentenceEncoder(withWeights(this.parts, weights), this.model.compileOptions);
  }

  /**
   * One vector for each text, in order. Texts of similar length run together, equal ones once; what stands beside a text
   * changes its vector by rounding only (below 1e-5). A text without tokens has zeros before the modules behind the pooling.
   *
   * @throws where an option isn't known or wrong, or a text isn't one; or the signal's reason.
   */
  async encode(texts: readonly string[], options: EncodeOptions = {}): Promise<Float32Array[]> {
    if (!Array.isArray(texts)) throw new TypeError('encode: needs a list of texts; for one text [text]');
    const o = this.#check(options);
    return this.#encodeAll(texts, 0, o, (done) => o.onProgress?.({ done, total: texts.length }));
  }

  /** Encodes texts as they come, some hundred at once, and gives them back in order; see {@link encode}. */
  async *stream(
    texts: Iterable<string> | AsyncIterable<string>,
    options: EncodeOptions = {},
  ): AsyncGenerator<EncodedText, void, undefined> {
    const o = this.#check(options);
    let chunk: string[] = [];
    let before = 0;
    const finish = async (): Promise<EncodedText[]> => {
      const total = before + chunk.length;
      const vectors = await this.#encodeAll(chunk, before, o, (done) => o.onProgress?.({ done: before + done, total }));
      const found = vectors.map((vector, i) => ({ index: before + i, text: chunk[i]!, vector }));
      before = total;
      chunk = [];
      return found;
    };
    for await (const text of texts) {
      o.signal?.throwIfAborted();
      if (chunk.push(text) >= runsAtOnce * o.batchSize) yield* await finish();
    }
    if (chunk.length) yield* await finish();
  }

  /** Writes the folder of the encoder, as sentence-transformers reads it. A folder with a model in it is replaced. */
  save(folder: string): Promise<void> {
    return saveEncoder(this.parts, folder);
  }

  /** Frees the engine's memory. */
  dispose(): Promise<void> {
    return this.model.dispose();
  }

  #check(o: EncodeOptions): EncodeOptions & { readonly batchSize: number; readonly prompt: string } {
    for (const name of Object.keys(o))
      if (!known.includes(name)) throw new Error(`encode: no option ${name}; there are ${known.join(', ')}`);
    const { batchSize = 64, dimension } = o;
    if (!(Number.isSafeInteger(batchSize) && batchSize > 0))
      throw new Error(`encode: batchSize is ${batchSize}; needs a whole number above 0`);
    if (dimension !== undefined && !(Number.isSafeInteger(dimension) && dimension > 0 && dimension <= this.dimension))
      throw new Error(`encode: dimension is ${dimension}; needs a whole number from 1 to ${this.dimension}`);
    o.signal?.throwIfAborted();
    return { ...o, batchSize, prompt: this.#prompt(o) };
  }

  #prompt({ prompt, promptName }: EncodeOptions): string {
    const { prompts, defaultPrompt } = this.parts.settings;
    if (prompt !== undefined && promptName !== undefined)
      throw new Error('encode: prompt and promptName were both given; needs one of them');
    if (prompt !== undefined) return prompt;
    const name = promptName ?? defaultPrompt;
    if (name === null) return '';
    if (!Object.hasOwn(prompts, name))
      throw new Error(
        `encode: promptName is ${JSON.stringify(name)}; the encoder's prompts are ${Object.keys(prompts).join(', ') || 'none'}`,
      );
    return prompts[name]!;
  }

  async #encodeAll(
    texts: readonly string[],
    first: number,
    o: EncodeOptions & { readonly batchSize: number; readonly prompt: string },
    onDone: (done: number) => void,
  ): Promise<Float32Array[]> {
    const { signal } = o;
    const uncounted = this.#uncounted(o.prompt);
    // Equal texts are encoded once.
    const rows = new Map<string, number>();
    const counts: number[] = [];
    const encoded: Encoded[] = [];
    let sinceRest = 0;
    for (const [i, text] of texts.entries()) {
      if (typeof text !== 'string')
        throw new TypeError(`encode: text ${first + i} is ${text === null ? 'null' : typeof text}; needs a string`);
      const row = rows.get(text);
      if (row !== undefined) {
        counts[row]!++;
        continue;
      }
      rows.set(text, encoded.length);
      counts.push(1);
      encoded.push(this.#encoded(o.prompt + text, uncounted));
      if ((sinceRest += text.length) > 2 ** 18) {
        sinceRest = 0;
        await setImmediate(); // lets a signal be heard
        signal?.throwIfAborted();
      }
    }
    const lengths = encoded.map(({ ids }) => ids.length);
    const vectors: Float32Array[] = Array.from({ length: encoded.length });
    let done = 0;
    for (const batch of planBatches(lengths, { ...plan, batchSize: o.batchSize })) {
      await setImmediate();
      signal?.throwIfAborted();
      const found = await this.#run(
        batch.map((i) => encoded[i]!),
        o,
      );
      for (const [row, i] of batch.entries()) {
        vectors[i] = found[row]!;
        done += counts[i]!;
      }
      onDone(done);
    }
    const isGiven = new Set<number>();
    return texts.map((text) => {
      const row = rows.get(text)!;
      if (!isGiven.has(row)) {
        isGiven.add(row);
        return vectors[row]!;
      }
      return vectors[row]!.slice(); // nobody's changes are another's
    });
  }

  // How many tokens of the prompt are left out of the pooling.
  #uncounted(prompt: string): number {
    if (!prompt || this.#network.includesPrompt) return 0;
    const { ids, specialTokensMask } = this.tokenizer.encode(this.#clean(prompt));
    return ids.length - (specialTokensMask?.at(-1) ? 1 : 0);
  }

  #clean(text: string): string {
    const { body, settings } = this.parts;
    const bare = body.kind === 'static' ? text : text.trim();
    return settings.lowerCase ? bare.toLowerCase() : bare;
  }

  // Where tokens have no order, each id is looked up once, however long the text is.
  #encoded(text: string, uncounted: number): Encoded {
    const { ids } = this.encodeIds(text);
    if (this.parts.body.kind !== 'static') return { ids, uncounted, counts: null };
    const counts = new Map<number, number>();
    for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
    return { ids: [...counts.keys()], uncounted, counts: [...counts.values()] };
  }

  /** A text's tokens as the body is given them, at most `most` and as many as it sees. */
  encodeIds(text: string, most: number = Infinity): Encoding {
    const addSpecialTokens = this.parts.body.kind !== 'static';
    const maxLength = Math.min(most, this.maxLength);
    return this.tokenizer.encode(this.#clean(text), { addSpecialTokens, ...(maxLength < Infinity && { maxLength }) });
  }

  async #run(
    batch: readonly Encoded[],
    { signal, normalize = false, dimension }: EncodeOptions,
  ): Promise<Float32Array[]> {
    const B = batch.length;
    const T = Math.max(1, ...batch.map(({ ids }) => ids.length));
    const ids = new BigInt64Array(B * T).fill(BigInt(this.padId));
    const mask = new BigInt64Array(B * T);
    const pooled = batch.some(({ uncounted }) => uncounted > 0) ? new BigInt64Array(B * T) : null;
    for (const [row, { ids: own, uncounted, counts }] of batch.entries()) {
      for (let t = 0; t < own.length; t++) ids[row * T + t] = BigInt(own[t]!);
      if (counts) for (let t = 0; t < own.length; t++) mask[row * T + t] = BigInt(counts[t]!);
      else mask.fill(1n, row * T, row * T + own.length);
      pooled?.fill(1n, row * T + Math.min(uncounted, own.length), row * T + own.length);
    }
    const inputs: Record<string, HostTensor> = {
      input_ids: hostTensor(ids, [B, T]),
      attention_mask: hostTensor(mask, [B, T]),
      ...(pooled && { pooling_mask: hostTensor(pooled, [B, T]) }),
    };
    const { sentence_embedding: found } = await this.model.run(inputs, ['sentence_embedding'], signal && { signal });
    const all = found!.data as Float32Array;
    const D = this.dimension;
    return batch.map((_, row) => {
      const vector = all.slice(row * D, row * D + (dimension ?? D));
      for (const value of vector)
        if (!Number.isFinite(value))
          throw new Error(
            `encode: a vector holds ${value}; the weights are broken (training diverged), or too large for float32`,
          );
      return normalize ? normalizeVector(vector) : vector;
    });
  }

  /** The id that fills up shorter texts. */
  get padId(): number {
    const { body } = this.parts;
    const pad =
      this.tokenizer.specialTokens.pad?.id ?? (body.kind === 'transformer' ? body.model.config['pad_token_id'] : 0);
    return typeof pad === 'number' && pad >= 0 ? pad : 0;
  }
}
