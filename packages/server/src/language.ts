// The language model that a server offers: its decoder, shared by all requests, and what is made of a request's fields.
import { blocksConfig, hostTensor } from '@brickwork/runtime';
import { chatFormat, type ChatFormat, type Tokenizer } from '@brickwork/tokenizer';
import {
  generateText,
  Scorer,
  sequenceBias,
  SharedDecoder,
  type CachedDecoder,
  type DecoderOptions,
  type GeneratedText,
  type GenerateOptions,
  type Model,
  type TextChunk,
} from '@brickwork/transformer';
import { seedOf, type SamplingFields } from './fields.ts';
import { HttpError, invalid } from './http-error.ts';
import type { Turnstile } from './turnstile.ts';

/** What is served, and how. */
export interface LanguageOptions {
  /** The name that requests give it. */
  readonly id: string;
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly decoder: DecoderOptions;
  /** Most sequences that are written at a time. */
  readonly maxRows: number;
  /** How chats are written where the model has no template of its own. */
  readonly template?: 'plain' | 'chatml' | { readonly jinja: string };
  /** Tokens that end a text. */
  readonly eosTokenIds: readonly number[];
}

/** What a request asks of the model. */
export interface Ask {
  readonly prompt: readonly number[];
  readonly maxNewTokens: number;
  readonly logprobs: number;
  readonly stop: readonly string[];
  readonly fields: SamplingFields;
}

/** A language model for many requests at once. */
export class Language {
  readonly id: string;
  readonly created: number = Math.floor(Date.now() / 1000);
  readonly tokenizer: Tokenizer;
  readonly contextLength: number;
  readonly maxRows: number;
  readonly shared: SharedDecoder;
  readonly #o: LanguageOptions;
  readonly #decoder: CachedDecoder;
  #scorer: Scorer | null = null;

  constructor(o: LanguageOptions) {
    this.#o = o;
    this.id = o.id;
    this.tokenizer = o.tokenizer;
    this.maxRows = o.maxRows;
    // In blocks of 32 a text is the same whoever is served beside it; in those of 64 the engine's kernels for one row and for
    // several round differently.
    const blockSize = blocksConfig(o.model.config) ? {} : { blockSize: 32 as const };
    this.#decoder = o.model.decoder({ ...blockSize, ...o.decoder });
    this.contextLength = this.#decoder.contextLength;
    this.shared = new SharedDecoder(this.#decoder, { maxRows: o.maxRows });
  }

  /** Compiles what the first request would wait for. */
  async warmUp(): Promise<void> {
    await this.#decoder.prefill([[0]]);
  }

  /** @throws where the model isn't made to chat and no way to write chats was given. */
  get chat(): ChatFormat {
    try {
      return chatFormat(
        this.tokenizer,
        Object.keys(this.tokenizer.chatTemplates).length ? undefined : this.#o.template,
      );
    } catch (error) {
      throw invalid(`model ${this.id}: ${(error as Error).message}`, 'model');
    }
  }

  /** Scores texts with the same model. */
  get scorer(): Scorer {
    const { model, tokenizer } = this.#o;
    return (this.#scorer ??= new Scorer(model, tokenizer));
  }

  /** A prompt's ids: those given, checked, or those of a text. */
  encode(prompt: string | readonly number[], param: string, addSpecialTokens = true): readonly number[] {
    const V = this.shared.vocabularySize;
    if (typeof prompt !== 'string') {
      const wrong = prompt.find((id) => id >= V);
      if (wrong !== undefined) throw invalid(`${param}: token id ${wrong}; the vocabulary has ${V}`, param);
      return prompt;
    }
    let ids: readonly number[];
    try {
      ({ ids } = this.tokenizer.encode(prompt, { addSpecialTokens }));
    } catch (error) {
      throw invalid(`${param}: ${(error as Error).message}`, param); // a character that the vocabulary lacks
    }
    if (ids.length) return ids;
    const { bos, eos } = this.tokenizer.specialTokens;
    const first = bos ?? eos;
    const id = first && this.tokenizer.tokenToId(first.content);
    if (id === undefined) throw invalid(`${param}: the prompt is empty; this model needs one token or more`, param);
    return [id];
  }

  /** How many tokens can follow a prompt: as many as asked for and as fit. */
  room(prompt: readonly number[], asked: number | undefined, param: string): number {
    const left = this.contextLength - prompt.length;
    if (left < 0 || (left === 0 && asked !== 0))
      throw invalid(
        `${param}: the prompt has ${prompt.length} tokens, but the model's context holds ${this.contextLength}; shorten it`,
        param,
        'context_length_exceeded',
      );
    return Math.min(asked ?? left, left);
  }

  /**
   * Continues a prompt, `n` times; the chunks' `row` tells which. In line with all other requests: the turnstile's places are
   * held until the end.
   */
  async *generate(
    { prompt, maxNewTokens, logprobs, stop, fields: f }: Ask,
    { turnstile, signal }: { readonly turnstile: Turnstile; readonly signal: AbortSignal },
  ): AsyncGenerator<TextChunk, GeneratedText[], undefined> {
    const isRandom = f.temperature > 0;
    const n = isRandom ? f.n : 1; // without chance all would be the same
    if (n > this.maxRows) throw invalid(`n is ${f.n}; at most ${this.maxRows} at a time`, 'n');
    const bias = Object.entries(f.logit_bias).map(([id, value]): [number[], number] => [
      [Number(id)],
      value <= -100 ? -Infinity : value,
    ]);
    const options: GenerateOptions = {
      maxNewTokens,
      logprobs,
      stop: [...stop, ...f.stop],
      eosTokenIds: this.#o.eosTokenIds,
      doSample: isRandom,
      temperature: f.temperature,
      topP: f.top_p,
      topK: f.top_k,
      minP: f.min_p,
      repetitionPenalty: f.repetition_penalty,
      presencePenalty: f.presence_penalty,
      frequencyPenalty: f.frequency_penalty,
      numReturnSequences: n,
      ...(f.seed !== undefined && { seed: seedOf(f.seed) }),
      ...(bias.length && { processors: [sequenceBias({ biases: bias })] }),
      signal,
    };
    const leave = await turnstile.enter(n, signal);
    const lane = this.shared.lane(n);
    try {
      const codec = { encode: () => ({ ids: prompt }), decodeStream: () => this.tokenizer.decodeStream() };
      const found = yield* generateText(lane, codec, '', options);
      signal.throwIfAborted();
      // As many choices as were asked for.
      return isRandom ? found : Array.from({ length: f.n }, () => found[0]!);
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof HttpError ? error : new Error((error as Error).message, { cause: error });
    } finally {
      await lane.dispose();
      leave();
    }
  }

  /** ln p of each token of a prompt given those before it; null for the first. */
  async promptLogProbs(ids: readonly number[], signal: AbortSignal): Promise<(number | null)[]> {
    const row = hostTensor(BigInt64Array.from(ids, BigInt), [1, ids.length]);
    const { log_probs: found } = await this.#o.model.run({ input_ids: row }, ['log_probs'], { signal });
    return Array.from(found!.data as Float32Array, (logprob, i) => (i ? logprob : null));
  }

  /** A token as it stands in a text. */
  tokenText(id: number): string {
    const token = this.tokenizer.idToToken(id) ?? '';
    if (token.includes('\u2581')) return token.replaceAll('\u2581', ' ');
    return this.tokenizer.decode([id], { skipSpecialTokens: false });
  }

  async dispose(): Promise<void> {
    await this.#decoder.dispose();
    await this.#o.model.dispose();
  }
}
