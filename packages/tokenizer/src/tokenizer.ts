// A tokenizer.json, loaded: text to ids and back, through @huggingface/tokenizers, Hugging Face's own implementation.
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Tokenizer as Engine } from '@huggingface/tokenizers';

/** Options of {@link Tokenizer.encode}. */
export interface EncodeOptions {
  /** Adds what the model expects around a text, `[CLS]` and `[SEP]`; true unless given. */
  readonly addSpecialTokens?: boolean;
  /** A second text, for models that read pairs. */
  readonly textPair?: string;
}

/** Text to ids and back. */
export class Tokenizer {
  /** The tokenizer.json it was made from. */
  readonly json: Readonly<Record<string, unknown>>;
  readonly vocabularySize: number;
  readonly #engine: Engine;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #tokens: ReadonlyMap<number, string>;

  constructor(json: Readonly<Record<string, unknown>>, config: Readonly<Record<string, unknown>> = {}) {
    const model = json['model'] as { vocab?: Record<string, number> | [string, number][] } | undefined;
    if (!model || typeof model !== 'object' || !model.vocab)
      throw new Error('tokenizer.json: no model with a vocabulary; is this a tokenizer.json?');
    const entries = Array.isArray(model.vocab)
      ? model.vocab.map(([t], i): [string, number] => [t, i])
      : Object.entries(model.vocab);
    const added = (json['added_tokens'] ?? []) as { id: number; content: string }[];
    for (const { id, content } of added) entries.push([content, id]);
    for (const [token, id] of entries)
      if (!(Number.isSafeInteger(id) && id >= 0))
        throw new Error(`tokenizer.json: token ${JSON.stringify(token)} has the id ${id}; needs a whole number`);
    this.json = json;
    this.#ids = new Map(entries);
    this.#tokens = new Map(entries.map(([t, id]) => [id, t]));
    this.vocabularySize = entries.reduce((n, [, id]) => Math.max(n, id + 1), 0);
    this.#engine = new Engine({ ...json, truncation: null, padding: null }, config);
  }

  /** The ids of a text. */
  encode(text: string, { addSpecialTokens = true, textPair }: EncodeOptions = {}): { ids: number[]; tokens: string[] } {
    const { ids, tokens } = this.#engine.encode(text, {
      add_special_tokens: addSpecialTokens,
      ...(textPair === undefined ? {} : { text_pair: textPair }),
    });
    return { ids, tokens };
  }

  /** The text of ids. */
  decode(ids: readonly number[], { skipSpecialTokens = true }: { readonly skipSpecialTokens?: boolean } = {}): string {
    for (const id of ids)
      if (!this.#tokens.has(id))
        throw new Error(`decode: id ${id} is outside the vocabulary of ${this.vocabularySize}`);
    return ids.length ? this.#engine.decode([...ids], { skip_special_tokens: skipSpecialTokens }) : '';
  }

  /** The id of a token, as the vocabulary spells it. */
  tokenToId(token: string): number | undefined {
    return this.#ids.get(token);
  }
  /** The token of an id, as the vocabulary spells it. */
  idToToken(id: number): string | undefined {
    return this.#tokens.get(id);
  }

  /** Decodes ids as they come, and gives out only whole characters. */
  decodeStream(): { push(id: number): string; end(): string } {
    let ids: number[] = [];
    let given = '';
    const next = (last: boolean): string => {
      const text = this.decode(ids);
      if (!last && text.endsWith('\ufffd')) return '';
      const piece = text.slice(given.length);
      given = text;
      // A whole character at the end of a line of text: start over, so that the work stays small.
      if (ids.length > 64 && text.endsWith('\n')) [ids, given] = [[], ''];
      return piece;
    };
    return {
      push: (id) => {
        ids.push(id);
        return next(false);
      },
      end: () => next(true),
    };
  }
}

async function json(path: string): Promise<Record<string, unknown>> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  } catch (cause) {
    throw new Error(`${path}: ${(cause as Error).message}`, { cause });
  }
}

/** Loads the tokenizer.json of a folder, or the file at a path, with tokenizer_config.json where it stands beside it. */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  if (!existsSync(path)) throw new Error(`${path}: no such file or folder`);
  const file = (await stat(path)).isDirectory() ? join(path, 'tokenizer.json') : path;
  const config = join(dirname(file), 'tokenizer_config.json');
  return new Tokenizer(await json(file), existsSync(config) ? await json(config) : {});
}
