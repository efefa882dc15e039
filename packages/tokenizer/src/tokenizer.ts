// A tokenizer.json, loaded: text to ids and back, as @huggingface/tokenizers, Hugging Face's own library, does it.
import { Tokenizer as Engine } from '@huggingface/tokenizers';
import { addedTokens, alignedEncoder, hasCharsmap, type PlacedToken } from './aligned-encoder.ts';
import { decodeAll, type DecoderParts, decodeStreamOf, type DecodeStream } from './decode-stream.ts';
import { type Arranged, type Encoding, lengthsWithin, postProcess, trimsOffsets, trimSpaces } from './encoding.ts';
import {
  chatTemplatesOf,
  renderChat,
  type ChatMessage,
  type ChatTemplateOptions,
  type ChatTemplates,
} from './chat-template.ts';
import { fastEncoder } from './fast-encoder.ts';
import { type CheckedJson, readTokenizerJson } from './read-json.ts';
import { type SpecialTokens, specialTokensOf } from './special-tokens.ts';

/** Options of {@link Tokenizer.encode}. */
export interface EncodeOptions {
  /** Adds what the model expects around a text, `[CLS]` and `[SEP]`; true unless given. */
  readonly addSpecialTokens?: boolean;
  /** A second text, for models that read pairs. An empty one is as none. */
  readonly textPair?: string;
  /**
   * The most ids to give, those around the texts included; all unless given. Of a pair the longer text is cut first, as
   * Hugging Face's `longest_first` does.
   */
  readonly maxLength?: number;
}

/** Options of {@link Tokenizer.decode} and {@link Tokenizer.decodeStream}. */
export interface DecodeOptions {
  /** Leaves out special tokens; true unless given. */
  readonly skipSpecialTokens?: boolean;
}

/** Text to ids and back. */
export class Tokenizer {
  /** The tokenizer.json it was made from. */
  readonly json: Readonly<Record<string, unknown>>;
  /** One more than the largest id. */
  readonly vocabularySize: number;
  /** The tokens that tokenizer_config.json gives a role: `specialTokens.eos?.id`. */
  readonly specialTokens: SpecialTokens;
  /** How conversations are written, by name; none where the model isn't made to chat. */
  readonly chatTemplates: ChatTemplates;
  readonly #checked: CheckedJson;
  readonly #engine: () => Engine;
  readonly #postProcessor: Engine['post_processor'];
  readonly #encodeFast: ((text: string) => number[]) | null;
  readonly #encodePlaced: ((text: string) => PlacedToken[]) | null;
  readonly #isOwn: boolean;
  readonly #trims: boolean;
  readonly #skipped: ReadonlySet<number>;
  readonly #cleansUp: boolean;

  /**
   * @param json what a tokenizer.json holds. Its truncation and padding are not applied.
   * @param config what a tokenizer_config.json holds: roles of special tokens, `clean_up_tokenization_spaces` (false
   *   unless given), `additional_special_tokens`.
   * @throws where it isn't a tokenizer, or its parts contradict each other.
   */
  constructor(json: Readonly<Record<string, unknown>>, config: Readonly<Record<string, unknown>> = {}) {
    try {
      this.#checked = readTokenizerJson(json);
      this.json = json;
      const { ids, tokens, added, unknownId } = this.#checked;
      this.vocabularySize = tokens.length;
      this.chatTemplates = chatTemplatesOf(config);
      this.specialTokens = specialTokensOf(config, ids, unknownId === undefined ? undefined : tokens[unknownId]);
      const { model } = this.#checked;
      const unset = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
      const build = (of: object): Engine =>
        new Engine({ ...unset, ...json, model: of, added_tokens: added, truncation: null, padding: null }, config);
      const finders = addedTokens(this.#checked);
      this.#encodePlaced = alignedEncoder(this.#checked, config, finders);
      const isPlain = !config['remove_space'] && !config['do_lowercase_and_remove_accent'];
      this.#encodeFast = isPlain ? fastEncoder(this.#checked, finders.inText) : null;
      // What is encoded here needs nothing of the library but its post-processor, and its vocabulary takes long to build.
      const isBpe = model['type'] === 'BPE';
      this.#isOwn = isBpe || this.#checked.normalizers.some(hasCharsmap);
      const isLight = isBpe && this.#encodeFast !== null;
      this.#engine = isLight ? lazily(() => build(model)) : always(build(model));
      const light = isLight ? build({ ...model, vocab: {}, merges: [] }) : this.#engine();
      this.#postProcessor = light.post_processor;
      checkTemplate(this.#postProcessor, ids);
      this.#trims = trimsOffsets(json['post_processor']);
      const more = Array.isArray(config['additional_special_tokens']) ? config['additional_special_tokens'] : [];
      const special = more.map((token: unknown) =>
        ids.get((token as { content?: string })?.content ?? (token as string)),
      );
      this.#skipped = new Set([...added.filter((token) => token.special).map(({ id }) => id), ...special] as number[]);
      this.#cleansUp = config['clean_up_tokenization_spaces'] === true;
    } catch (cause) {
      const why = cause instanceof RangeError ? 'it is nested too deeply' : (cause as Error).message;
      throw new Error(`tokenizer.json: ${why}`, { cause });
    }
  }

  /** The ids of a text, and with them its tokens, their offsets and more. @throws naming a character that has no id. */
  encode(text: string, { addSpecialTokens = true, textPair, maxLength }: EncodeOptions = {}): Encoding {
    for (const given of [text, textPair ?? ''])
      if (typeof given !== 'string')
        throw new TypeError(`encode: the text is ${given === null ? 'null' : typeof given}; needs a string`);
    const pair = textPair || null;
    const arrange = <T>(first: T[], second: T[] | null): Arranged<T> =>
      postProcess(this.#postProcessor, first, second, addSpecialTokens);
    const around = <T>(of: (part: string) => T[]): Arranged<T> => {
      const [first, second] = [of(text), pair === null ? null : of(pair)];
      if (maxLength === undefined) return arrange(first, second);
      const room = maxLength - arrange<T>([], second && []).items.length;
      if (!(Number.isInteger(maxLength) && room > 0))
        throw new Error(
          `encode: maxLength is ${maxLength}; needs more than the ${maxLength - room} ids around the text`,
        );
      const [a, b] = lengthsWithin(room, first.length, second?.length ?? 0);
      return arrange(first.slice(0, a), second && second.slice(0, b));
    };
    const { items, typeIds } = around((part) => this.#ids(part));
    const idOf = (token: string): number => this.#checked.ids.get(token)!;
    const isMixed = items.some((item) => typeof item === 'string');
    const ids = isMixed ? items.map((item) => (typeof item === 'string' ? idOf(item) : item)) : (items as number[]);

    type Placed = Omit<PlacedToken, 'word'> & { readonly word: number | null };
    let kept: Placed[] | undefined;
    const placed = (): Placed[] =>
      (kept ??= around((part) => this.#placed(part)).items.map((item) =>
        typeof item === 'string' ? { id: idOf(item), token: item, start: 0, end: 0, word: null } : item,
      ));
    // Lists that few ask for are made when they do.
    return {
      ids,
      get tokens() {
        return placed().map(({ token }) => token);
      },
      get offsets() {
        return placed().map(({ start, end }): [number, number] => [start, end]);
      },
      get wordIds() {
        return placed().map(({ word }) => word);
      },
      get specialTokensMask() {
        return items.map((item) => (typeof item === 'string' ? 1 : 0));
      },
      get typeIds() {
        return typeIds ? [...typeIds] : ids.map(() => 0);
      },
    };
  }

  #ids(text: string): number[] {
    if (this.#encodeFast) return this.#encodeFast(text);
    // What a BPE without an unknown token doesn't know, the library would drop; and it only approximates charsmaps.
    if (this.#isOwn && this.#encodePlaced) return this.#encodePlaced(text).map(({ id }) => id);
    return this.#engine().encode(text, { add_special_tokens: false }).ids;
  }

  #placed(text: string): PlacedToken[] {
    if (!this.#encodePlaced)
      throw new Error('offsets: the tokens of this kind of model cannot be placed in the text; use ids only');
    const placed = this.#encodePlaced(text);
    return this.#trims ? placed.map((token) => trimSpaces(text, token)) : placed;
  }

  /**
   * A conversation as the text that the model expects, with its special tokens: encode it with `addSpecialTokens: false`.
   *
   * @throws where the model has no such template, or the template refuses the conversation.
   */
  applyChatTemplate(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): string {
    return renderChat(this.chatTemplates, this.specialTokens, messages, options);
  }

  /** The text of ids. @throws where an id is outside the vocabulary. */
  decode(ids: readonly number[], { skipSpecialTokens = true }: DecodeOptions = {}): string {
    const kept = ids.filter((id) => this.#keeps(id, skipSpecialTokens));
    return decodeAll(kept, this.#parts(skipSpecialTokens));
  }

  #keeps(id: number, skips: boolean): boolean {
    if (this.#checked.tokens[id] === undefined)
      throw new Error(
        `decode: the id ${id} is outside the vocabulary of ${this.vocabularySize}; is this the tokenizer of the model that gave it?`,
      );
    return !(skips && this.#skipped.has(id));
  }

  #parts(skips: boolean): DecoderParts {
    return { checked: this.#checked, engine: this.#engine, skips, cleansUp: this.#cleansUp };
  }

  /** The id of a token, as the vocabulary spells it. */
  tokenToId(token: string): number | undefined {
    return this.#checked.ids.get(token);
  }
  /** The token of an id, as the vocabulary spells it. */
  idToToken(id: number): string | undefined {
    return this.#checked.tokens[id];
  }

  /**
   * Decodes ids as they come. It gives out only whole characters, and its pieces joined are what {@link decode} gives for
   * all ids.
   */
  decodeStream({ skipSpecialTokens = true }: DecodeOptions = {}): DecodeStream {
    const stream = decodeStreamOf(this.#parts(skipSpecialTokens));
    return {
      push: (id) => (this.#keeps(id, skipSpecialTokens) ? stream.push(id) : ''),
      end: () => stream.end(),
    };
  }
}

const always =
  <T>(value: T): (() => T) =>
  () =>
    value;

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

// A template that lacks a part, or names tokens that aren't there, shows on a text without tokens.
function checkTemplate(processor: Engine['post_processor'], ids: ReadonlyMap<string, number>): void {
  for (const second of [null, []]) {
    let names: string[];
    try {
      names = postProcess<never>(processor, [], second, true).items;
    } catch (cause) {
      throw new Error(`the post_processor is incomplete: ${(cause as Error).message}`, { cause });
    }
    for (const name of names)
      if (!ids.has(name))
        throw new Error(`the post_processor names ${JSON.stringify(name)}, which the vocabulary lacks`);
  }
}
