// Checks a tokenizer.json, which may come from anywhere, before anything is built from it.
import { Merges } from './bpe.ts';
import type { AddedToken, TokenizerStep } from './tokenizer-json.ts';

/** A tokenizer.json that was checked, and its tokens both ways. */
export interface CheckedJson {
  readonly json: Readonly<Record<string, unknown>>;
  readonly model: Readonly<Record<string, unknown>>;
  readonly added: readonly AddedToken[];
  readonly ids: ReadonlyMap<string, number>;
  readonly tokens: readonly (string | undefined)[];
  /** The id for what the vocabulary doesn't have, where there is one. */
  readonly unknownId: number | undefined;
  /** The merges of a BPE, otherwise none. */
  readonly merges: Merges;
  readonly normalizers: readonly TokenizerStep[];
  readonly preTokenizers: readonly TokenizerStep[];
}

type Fields = Readonly<Record<string, unknown>>;
const largestId = 2 ** 24;
const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @throws an error that says what is wrong, without the file's name. */
export function readTokenizerJson(value: unknown): CheckedJson {
  if (!isFields(value))
    throw new Error(`it holds ${show(value)}; needs an object with a model, as a tokenizer.json has`);
  if (!isFields(value['model'])) throw new Error('it has no model with a vocabulary; is this a tokenizer.json?');
  const model = withDefaults(value['model']);
  const tokens: (string | undefined)[] = [];
  const ids = new Map<string, number>();
  const give = (token: string, id: unknown, where: string): void => {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= largestId)
      throw new Error(`${where}: the token ${show(token)} has the id ${show(id)}; needs a whole number below 2^24`);
    if (tokens[id] !== undefined)
      throw new Error(`${where}: the tokens ${show(tokens[id])} and ${show(token)} have the same id ${id}`);
    tokens[id] = token;
    ids.set(token, id);
  };
  for (const [token, id] of vocabulary(model)) give(token, id, 'model.vocab');
  const added = addedTokens(value['added_tokens']);
  for (const { content, id } of added) {
    if (!ids.has(content)) give(content, id, 'added_tokens');
    else if (ids.get(content) !== id)
      throw new Error(
        `added_tokens: ${show(content)} has the id ${show(id)}, and ${ids.get(content)} in the vocabulary`,
      );
  }
  if (ids.size === 0) throw new Error('model.vocab has no tokens; it needs at least one');
  return {
    json: value,
    model,
    added,
    ids,
    tokens,
    unknownId: unknownId(model, ids),
    merges: new Merges(merges(model, ids)),
    normalizers: steps(value['normalizer'], 'normalizers'),
    preTokenizers: steps(value['pre_tokenizer'], 'pretokenizers'),
  };
}

// Files of early versions, that of GPT-2 among them, don't name the kind of model.
function withDefaults(model: Fields): Fields {
  const { type, vocab, merges: pairs, continuing_subword_prefix: prefix } = model;
  const found = Array.isArray(vocab)
    ? 'Unigram'
    : pairs !== undefined
      ? 'BPE'
      : prefix !== undefined
        ? 'WordPiece'
        : type;
  const named = type === undefined && found !== undefined ? { ...model, type: found } : model;
  return named['type'] === 'WordPiece' && prefix === undefined ? { ...named, continuing_subword_prefix: '##' } : named;
}

function vocabulary(model: Fields): [string, unknown][] {
  const { type, vocab } = model as { type?: unknown; vocab?: unknown };
  if (type !== undefined && !['BPE', 'WordPiece', 'Unigram', 'WordLevel'].includes(type as string))
    throw new Error(`model.type is ${show(type)}; needs BPE, WordPiece, WordLevel or Unigram`);
  if (type === 'WordLevel') throw new Error('model.type is WordLevel, which @huggingface/tokenizers does not read');
  if (!Array.isArray(vocab)) {
    if (!isFields(vocab) || type === 'Unigram')
      throw new Error(
        `model.vocab is ${show(vocab)}; needs ${type === 'Unigram' ? 'a list of [token, score]' : 'an object of tokens with their ids'}`,
      );
    return Object.entries(vocab);
  }
  if (type !== undefined && type !== 'Unigram') throw new Error(`model.vocab is a list; ${show(type)} needs an object`);
  return vocab.map((entry: unknown, i): [string, number] => {
    if (!Array.isArray(entry) || typeof entry[0] !== 'string' || typeof entry[1] !== 'number')
      throw new Error(`model.vocab[${i}] is ${show(entry)}; needs [token, score]`);
    return [entry[0], i];
  });
}

function addedTokens(value: unknown): AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Error(`added_tokens is ${show(value)}; needs a list`);
  return value.map((entry: unknown, i) => {
    if (!isFields(entry) || typeof entry['content'] !== 'string' || entry['content'] === '')
      throw new Error(`added_tokens[${i}] is ${show(entry)}; needs an object with an id and a content`);
    const flag = (name: string, otherwise: boolean): boolean => {
      const given = entry[name] ?? otherwise;
      if (typeof given !== 'boolean')
        throw new Error(`added_tokens[${i}].${name} is ${show(given)}; needs true or false`);
      return given;
    };
    const special = flag('special', false);
    return {
      id: entry['id'] as number,
      content: entry['content'],
      single_word: flag('single_word', false),
      lstrip: flag('lstrip', false),
      rstrip: flag('rstrip', false),
      normalized: flag('normalized', !special),
      special,
    };
  });
}

function unknownId(model: Fields, ids: ReadonlyMap<string, number>): number | undefined {
  if (Array.isArray(model['vocab'])) {
    const id = model['unk_id'] ?? undefined;
    if (id !== undefined && !(Number.isInteger(id) && (id as number) >= 0 && (id as number) < model['vocab'].length))
      throw new Error(`model.unk_id is ${show(id)}; needs the place of a token in the vocabulary`);
    return id as number | undefined;
  }
  const token = model['unk_token'] ?? undefined;
  if (token === undefined) {
    if (model['type'] === 'WordPiece') throw new Error('model.unk_token is missing, which WordPiece needs');
    return undefined;
  }
  const id = typeof token === 'string' ? ids.get(token) : undefined;
  if (id === undefined) throw new Error(`model.unk_token is ${show(token)}; needs a token of the vocabulary`);
  return id;
}

// The ids of each merge's two tokens and of both joined.
function merges(model: Fields, ids: ReadonlyMap<string, number>): Int32Array {
  const value = model['merges'];
  if (value === undefined && model['type'] !== 'BPE') return new Int32Array(0);
  if (!Array.isArray(value)) throw new Error(`model.merges is ${show(value)}; needs a list`);
  const prefix = typeof model['continuing_subword_prefix'] === 'string' ? model['continuing_subword_prefix'] : '';
  const found = new Int32Array(3 * value.length);
  value.forEach((entry: unknown, i) => {
    let [first, second]: unknown[] = [];
    if (typeof entry === 'string') {
      const space = entry.indexOf(' ');
      if (space >= 0 && !entry.includes(' ', space + 1))
        [first, second] = [entry.slice(0, space), entry.slice(space + 1)];
    } else if (Array.isArray(entry) && entry.length === 2) [first, second] = entry as unknown[];
    if (typeof first !== 'string' || typeof second !== 'string')
      throw new Error(`model.merges[${i}] is ${show(entry)}; needs two tokens, "a b" or ["a", "b"]`);
    const joined = first + (prefix && second.startsWith(prefix) ? second.slice(prefix.length) : second);
    for (const [j, token] of [first, second, joined].entries()) {
      const id = ids.get(token);
      if (id === undefined)
        throw new Error(
          `model.merges[${i}], ${show(entry)}, names the token ${show(token)}, which the vocabulary lacks`,
        );
      found[3 * i + j] = id;
    }
  });
  return found;
}

/** The steps of a normalizer or pre-tokenizer in order, sequences within sequences unfolded. */
function steps(value: unknown, list: string): TokenizerStep[] {
  if (value === undefined || value === null) return [];
  if (!isFields(value) || typeof value['type'] !== 'string')
    throw new Error(`${list.slice(0, -1)} is ${show(value)}; needs an object with a type`);
  const pattern = value['pattern'];
  const isPattern = isFields(pattern) && [pattern['Regex'], pattern['String']].some((one) => typeof one === 'string');
  if ((value['type'] === 'Split' || value['type'] === 'Replace') && !isPattern)
    throw new Error(`${value['type']} has the pattern ${show(pattern)}; needs { Regex } or { String }`);
  if (value['type'] !== 'Sequence') return [value as TokenizerStep];
  const parts = value[list];
  if (!Array.isArray(parts)) throw new Error(`${list} is ${show(parts)}; needs a list`);
  return parts.flatMap((part) => steps(part, list));
}
