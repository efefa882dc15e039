// How likely a model finds texts: causal models by the chain rule, encoder-decoders given a source, and masked models by
// their pseudo-log-likelihood, each token hidden in turn (Salazar et al., 2020; within words from left to right: Kauf and
// Ivanova, 2023).
import type { Tokenizer } from '@brickwork/tokenizer';
import { isCausalLM } from '../causal-lm.ts';
import type { Model } from '../model.ts';
import { AutoModel, type FromPretrainedOptions } from '../pretrained.ts';
import { isSeq2Seq } from '../seq2seq.ts';
import { encodeItem, partsOf, scoredItem, type Around, type EncodedItem } from './encode-item.ts';
import { labelledLogProbs, type LabelledRow } from './labelled-rows.ts';
import type { Scored, ScoreItem } from './scored.ts';
import { windows } from './windows.ts';

/** How a model scores: left to right, by hidden tokens, or a target given its source. */
export type ScorerKind = 'causal' | 'masked' | 'seq2seq';

/** How to score. */
export interface ScoreOptions {
  /** Most rows of a run; 32 unless given. */
  readonly batchSize?: number;
  /**
   * Masked models: what is hidden with a token. `original`: the token alone (Salazar et al., 2020); `word_l2r`: the rest of
   * its word, too, so that a word's end doesn't give its beginning away (Kauf and Ivanova, 2023). `original` unless given.
   */
  readonly pll?: 'original' | 'word_l2r';
  /**
   * Causal models: whether a text without context follows the token that begins texts (or, where there is none, the one
   * that ends them), so that its first token is scored, too; true unless given. Where the vocabulary has neither, or this
   * is false, the first token has no score. A token that the tokenizer itself puts before texts stays.
   */
  readonly bos?: boolean;
  /** Whether the token that ends a text counts; true unless given for encoder-decoders, else false. */
  readonly end?: boolean;
  /** Causal models: most tokens that are looked at together; what the model sees, and at most 2048, unless given. */
  readonly window?: number;
  /** Causal models: how far a text longer than the window is read on at a time; half the window unless given. */
  readonly stride?: number;
  readonly signal?: AbortSignal;
  /** Called as texts are done: how many, of how many (of those that were read so far, where they come as a stream). */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

const known = ['batchSize', 'pll', 'bos', 'end', 'window', 'stride', 'signal', 'onProgress'];
// Texts at once, so that lengths can be sorted; and rows at once, as a masked model has one for each token.
const itemsAtOnce = 256;
const rowsAtOnce = 1024;

/** Scores texts with a model. */
export class Scorer {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly kind: ScorerKind;
  readonly #before: readonly number[];
  readonly #after: readonly number[];

  /** @throws where the model has no logits of tokens: it has to be a language model of one of the three kinds. */
  constructor(model: Model, tokenizer: Tokenizer) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.kind = kindOf(model);
    const mask = tokenizer.encode('a').specialTokensMask;
    const { ids } = tokenizer.encode('a');
    const first = mask.indexOf(0);
    this.#before = first < 0 ? [] : ids.slice(0, first);
    this.#after = first < 0 ? [] : ids.slice(mask.lastIndexOf(0) + 1);
    if (this.kind === 'masked' && !tokenizer.specialTokens.mask)
      throw new Error(
        `score: ${model.className} fills masks, but the tokenizer names no mask token; set mask_token in tokenizer_config.json`,
      );
  }

  /**
   * Opens a model and its tokenizer: a folder, or `org/name` on the hub.
   *
   * @throws as {@link AutoModel.fromPretrained}, and where it is no language model.
   */
  static async load(pathOrHubId: string, options: FromPretrainedOptions = {}): Promise<Scorer> {
    const model = await AutoModel.fromPretrained(pathOrHubId, options);
    return new Scorer(model, await model.tokenizer());
  }

  /**
   * Scores texts, and texts that follow a context or are the target of a source; in the order they were given.
   *
   * A score doesn't depend on what stands beside it, but for rounding (below 1e-5).
   *
   * @throws where an item isn't one or its text has no tokens, an option isn't known, or an encoder-decoder's or masked
   *   model's text doesn't fit; or the signal's reason.
   */
  async score(items: readonly ScoreItem[], options: ScoreOptions = {}): Promise<Scored[]> {
    const all: Scored[] = [];
    const { onProgress } = options;
    const o = onProgress
      ? { ...options, onProgress: (p: { done: number }) => onProgress({ ...p, total: items.length }) }
      : options;
    for await (const scored of this.stream(items, o)) all.push(scored);
    return all;
  }

  /** Scores items as they come, some hundred together; see {@link score}. */
  async *stream(
    items: Iterable<ScoreItem> | AsyncIterable<ScoreItem>,
    options: ScoreOptions = {},
  ): AsyncGenerator<Scored> {
    for (const name of Object.keys(options))
      if (!known.includes(name)) throw new Error(`score: no option ${name}; there are ${known.join(', ')}`);
    const { pll = 'original', signal, onProgress } = options;
    if (pll !== 'original' && pll !== 'word_l2r')
      throw new Error(`score: pll is ${JSON.stringify(pll)}; needs 'original' or 'word_l2r'`);
    let chunk: ScoreItem[] = [];
    let done = 0;
    const finish = async (): Promise<Scored[]> => {
      signal?.throwIfAborted();
      const scored = await this.#scoreChunk(chunk, options, (some) =>
        onProgress?.({ done: done + some, total: done + chunk.length }),
      );
      done += chunk.length;
      onProgress?.({ done, total: done });
      chunk = [];
      return scored;
    };
    for await (const item of items) if (chunk.push(item) === itemsAtOnce) yield* await finish();
    if (chunk.length) yield* await finish();
  }

  /** Frees the engine's memory. */
  dispose(): Promise<void> {
    return this.model.dispose();
  }

  async #scoreChunk(items: readonly ScoreItem[], o: ScoreOptions, onItems: (done: number) => void): Promise<Scored[]> {
    const encoded = items.map((item) => this.#encode(item, o));
    const found = encoded.map(({ tokens }) => tokens.map((): number | null => null));
    // Which token of which item each label of a row is.
    interface Place {
      readonly item: number;
      readonly row: LabelledRow;
      /** Of the row's position 0: the index of its token among the item's. */
      readonly offset: number;
    }
    let rows: Place[] = [];
    const run = async (): Promise<void> => {
      const { batchSize, signal } = o;
      const values = await labelledLogProbs(
        this.model,
        rows.map(({ row }) => row),
        { ...(batchSize !== undefined && { batchSize }), ...(signal && { signal }) },
      );
      values.forEach((logProbs, i) => {
        const { item, row, offset } = rows[i]!;
        row.labels.forEach((label, t) => {
          if (label !== -100) found[item]![offset + t] = logProbs[t]!;
        });
      });
      rows = [];
    };
    for (const [item, one] of encoded.entries()) {
      for (const place of this.#rows(one, o)) {
        rows.push({ item, ...place });
        if (rows.length === rowsAtOnce) {
          await run();
          onItems(item);
        }
      }
    }
    await run();
    return encoded.map((one, i) => scoredItem(one, found[i]!));
  }

  #encode(item: ScoreItem, o: ScoreOptions): EncodedItem {
    if (this.kind !== 'seq2seq') return encodeItem(this.tokenizer, item, this.#around(o));
    // A source isn't read together with its target.
    const { context, text } = partsOf(item);
    return { ...encodeItem(this.tokenizer, text, this.#around(o)), context };
  }

  #around({ bos = true, end = this.kind === 'seq2seq' }: ScoreOptions): Around {
    const { specialTokens: special } = this.tokenizer;
    const last = this.#after.at(-1);
    const content = (id: number): string => this.tokenizer.idToToken(id) ?? '';
    if (this.kind === 'masked') return { before: this.#before, after: this.#after, end: null };
    const endId = last ?? special.eos?.id;
    if (end && endId === undefined)
      throw new Error('score: the end is to be scored, but the tokenizer names no token that ends texts (eos_token)');
    const ending = end ? { id: endId!, content: content(endId!) } : null;
    const begin = special.bos?.id ?? special.eos?.id;
    const isAdded = this.kind === 'causal' && !this.#before.length && bos && begin !== undefined;
    return { before: isAdded ? [begin] : this.#before, after: [], end: ending };
  }

  #rows(one: EncodedItem, o: ScoreOptions): Iterable<{ row: LabelledRow; offset: number }> {
    if (this.kind === 'causal') return this.#causalRows(one, o);
    return this.kind === 'masked' ? this.#maskedRows(one, o) : this.#targetRows(one);
  }

  *#causalRows({ ids, from }: EncodedItem, o: ScoreOptions): Iterable<{ row: LabelledRow; offset: number }> {
    const most = this.model.causalLM.contextLength;
    const size = o.window ?? Math.min(most, 2048);
    if (!(Number.isInteger(size) && size <= most))
      throw new Error(`score: the window is ${size}; needs a whole number of at most ${most} tokens`);
    for (const { begin, from: first, end } of windows(ids.length, from, size, o.stride ?? Math.ceil(size / 2))) {
      const own = ids.slice(begin, end);
      // Nothing stands before the first token.
      const labels = own.map((id, t) => (t > 0 && begin + t >= first ? id : -100));
      yield { row: { ids: own, labels }, offset: begin - from };
    }
  }

  *#maskedRows(one: EncodedItem, { pll = 'original' }: ScoreOptions): Iterable<{ row: LabelledRow; offset: number }> {
    const mask = this.tokenizer.specialTokens.mask!.id;
    const [before, after] = [this.#before, this.#after];
    const words: (number | null)[] = one.tokens.map(({ word }) => word);
    const content = one.ids.slice(before.length, one.ids.length - after.length);
    const shift = one.from - before.length; // tokens of the context
    const most = (this.model.network.longest?.['T'] ?? Infinity) - before.length - after.length;
    for (let t = shift; t < content.length; t++) {
      // Of a text that is too long, as much on both sides as fits.
      const begin = Math.max(0, Math.min(t - Math.floor(most / 2), content.length - most));
      const hidden = content.slice(begin, begin + Math.min(most, content.length));
      hidden[t - begin] = mask;
      const word = words[t - shift];
      if (pll === 'word_l2r' && word !== null)
        for (let next = t + 1; next - begin < hidden.length && words[next - shift] === word; next++)
          hidden[next - begin] = mask;
      const ids = [...before, ...hidden, ...after];
      const at = before.length + t - begin;
      yield { row: { ids, labels: ids.map((_, i) => (i === at ? content[t]! : -100)) }, offset: t - shift - at };
    }
  }

  *#targetRows({ context, tokens }: EncodedItem): Iterable<{ row: LabelledRow; offset: number }> {
    const { network, className } = this.model;
    const start = isSeq2Seq(network) ? network.startId : null;
    if (start === null)
      throw new Error(
        `score: ${className}’s config.json has no decoder_start_token_id; set the token that targets start with`,
      );
    // Where targets begin with a token of their own, as BART's do, it is given.
    const target = [...this.#before, ...tokens.map(({ id }) => id)];
    const labels = target.map((id, t) => (t < this.#before.length ? -100 : id));
    const row = { ids: this.tokenizer.encode(context).ids, labels, targets: [start, ...target.slice(0, -1)] };
    if (!row.ids.length)
      throw new Error('score: the source is empty and the tokenizer puts nothing around it; give { context, text }');
    yield { row, offset: -this.#before.length };
  }
}

function kindOf({ network, className, config }: Model): ScorerKind {
  if (isCausalLM(network)) return 'causal';
  if (isSeq2Seq(network)) return 'seq2seq';
  if (/(?:MaskedLM|ForPreTraining|LMHeadModel)$/.test(className)) return 'masked';
  throw new Error(
    `score: ${className} gives no probabilities of tokens; needs a causal, masked or encoder-decoder language model${typeof config['model_type'] === 'string' ? `, such as ${config['model_type']}’s class with a language-modelling head` : ''}`,
  );
}
