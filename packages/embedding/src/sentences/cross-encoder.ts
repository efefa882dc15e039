// Cross-encoders (Nogueira and Cho, 2019; sentence-transformers' CrossEncoder): a classifier that reads two texts together and scores
// the pair. Better than comparing vectors, and slower: for the best few of what a search found.
import { hostTensor, type CompileOptions, type HostTensor } from '@brickwork/runtime';
import type { Tokenizer } from '@brickwork/tokenizer';
import { AutoModel, type FromPretrainedOptions, type Model } from '@brickwork/transformer';
import { planBatches } from './plan-batches.ts';

/** How pairs are scored. */
export interface PredictOptions {
  /** Most pairs of a run; 32 unless given. */
  readonly batchSize?: number;
  /** `sigmoid` puts scores between 0 and 1; what the model's config says, or sigmoid for one label, unless given. */
  readonly activation?: 'sigmoid' | 'none';
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** A text with its score. */
export interface Ranked {
  /** Its place among the texts that were given. */
  readonly index: number;
  readonly score: number;
}

/** Scores pairs of texts. */
export class CrossEncoder {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  /** Most tokens of a pair; the longer text is cut. */
  readonly maxLength: number;
  readonly #activation: 'sigmoid' | 'none';
  readonly #labels: number;

  /** @throws where the model is no classifier of texts. */
  constructor(model: Model, tokenizer: Tokenizer, { maxLength }: { readonly maxLength?: number } = {}) {
    const { labels } = model.network.config as { labels?: { count: number } };
    if (!model.className.endsWith('ForSequenceClassification') || !labels)
      throw new Error(
        `CrossEncoder: ${model.className} scores no texts; needs a class that ends in ForSequenceClassification`,
      );
    [this.model, this.tokenizer, this.#labels] = [model, tokenizer, labels.count];
    const sees = model.network.longest?.['T'] ?? 512;
    this.maxLength = Math.min(maxLength ?? sees, sees);
    this.#activation = activationOf(model.config, this.#labels);
  }

  /** Opens a folder, or a model of the hub. */
  static async load(
    pathOrHubId: string,
    o: FromPretrainedOptions & { readonly maxLength?: number; readonly compile?: CompileOptions } = {},
  ): Promise<CrossEncoder> {
    const { maxLength, ...options } = o;
    const model = await AutoModel.fromPretrained(pathOrHubId, options);
    return new CrossEncoder(model, await model.tokenizer(), maxLength === undefined ? {} : { maxLength });
  }

  /** A row of scores for each pair, one for each label, in order. What stands beside a pair changes nothing but rounding. */
  async predictAll(pairs: readonly (readonly [string, string])[], o: PredictOptions = {}): Promise<Float32Array[]> {
    const { batchSize = 32, activation = this.#activation, signal, onProgress } = o;
    if (!(Number.isInteger(batchSize) && batchSize > 0))
      throw new Error(`CrossEncoder: batchSize is ${batchSize}; needs a whole number above 0`);
    if (activation !== 'sigmoid' && activation !== 'none')
      throw new Error(`CrossEncoder: activation is ${JSON.stringify(activation)}; needs sigmoid or none`);
    const encoded = pairs.map((pair, i) => {
      if (!Array.isArray(pair) || pair.length !== 2 || pair.some((text) => typeof text !== 'string'))
        throw new TypeError(`CrossEncoder: pair ${i} is ${JSON.stringify(pair)}; needs two texts`);
      const { ids, typeIds } = this.tokenizer.encode(pair[0], { textPair: pair[1], maxLength: this.maxLength });
      return { ids, typeIds };
    });
    const found: Float32Array[] = [];
    let done = 0;
    const lengths = encoded.map(({ ids }) => ids.length);
    for (const batch of planBatches(lengths, { batchSize, tokens: 8192, waste: 0.1 })) {
      signal?.throwIfAborted();
      const inputs = this.#inputs(batch.map((i) => encoded[i]!));
      const { logits } = await this.model.run(inputs, ['logits'], signal ? { signal } : {});
      batch.forEach((i, row) => {
        const own = (logits!.data as Float32Array).slice(row * this.#labels, (row + 1) * this.#labels);
        found[i] = activation === 'sigmoid' ? own.map((x) => 1 / (1 + Math.exp(-x))) : own;
      });
      onProgress?.({ done: (done += batch.length), total: pairs.length });
    }
    return found;
  }

  /** A score for each pair. @throws where the model has several labels: then {@link CrossEncoder.predictAll} has them. */
  async predict(pairs: readonly (readonly [string, string])[], o: PredictOptions = {}): Promise<number[]> {
    if (this.#labels !== 1)
      throw new Error(
        `CrossEncoder: the model has ${this.#labels} labels; a score for each pair needs one with one label. predictAll gives all`,
      );
    return (await this.predictAll(pairs, o)).map((row) => row[0]!);
  }

  /** Texts by how well they answer a query, best first; equal ones in their order. */
  async rank(
    query: string,
    texts: readonly string[],
    { topK = texts.length, ...o }: PredictOptions & { readonly topK?: number } = {},
  ): Promise<Ranked[]> {
    const scores = await this.predict(
      texts.map((text) => [query, text] as const),
      o,
    );
    return scores
      .map((score, index) => ({ index, score }))
      .sort((a, b) => b.score - a.score || a.index - b.index)
      .slice(0, topK);
  }

  /** Frees the engine's memory. */
  dispose(): Promise<void> {
    return this.model.dispose();
  }

  #inputs(
    rows: readonly { readonly ids: readonly number[]; readonly typeIds: readonly number[] }[],
  ): Record<string, HostTensor> {
    const T = Math.max(...rows.map(({ ids }) => ids.length));
    const padId = this.tokenizer.specialTokens.pad?.id ?? 0;
    const fill = (of: (row: (typeof rows)[number], t: number) => number): HostTensor => {
      const data = new BigInt64Array(rows.length * T);
      rows.forEach((row, b) => {
        for (let t = 0; t < T; t++) data[b * T + t] = BigInt(of(row, t));
      });
      return hostTensor(data, [rows.length, T]);
    };
    const has = (name: string): boolean => Object.hasOwn(this.model.network.inputs, name);
    return {
      input_ids: fill(({ ids }, t) => ids[t] ?? padId),
      ...(has('attention_mask') && { attention_mask: fill(({ ids }, t) => (t < ids.length ? 1 : 0)) }),
      ...(has('token_type_ids') && { token_type_ids: fill(({ typeIds }, t) => typeIds[t] ?? 0) }),
    };
  }
}

// sentence-transformers writes the class of a function of PyTorch's.
function activationOf(config: Readonly<Record<string, unknown>>, labels: number): 'sigmoid' | 'none' {
  const own = config['sentence_transformers'] as { activation_fn?: unknown } | undefined;
  const said = own?.activation_fn ?? config['sbert_ce_default_activation_function'];
  if (said === undefined || said === null) return labels === 1 ? 'sigmoid' : 'none';
  if (typeof said === 'string' && said.endsWith('.Sigmoid')) return 'sigmoid';
  if (typeof said === 'string' && said.endsWith('.Identity')) return 'none';
  throw new Error(`CrossEncoder: config.json’s activation is ${JSON.stringify(said)}; known are Sigmoid and Identity`);
}
