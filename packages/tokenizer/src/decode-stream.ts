// Ids to text as they come: only whole characters, and all pieces together are what decoding all ids at once gives.
import { TextDecoder } from 'node:util';
import type { Tokenizer as Engine } from '@huggingface/tokenizers';
import { charToByte } from './bytes.ts';
import type { CheckedJson } from './read-json.ts';

/** Takes ids one by one. `push` returns the text that is complete; `end` the rest. */
export interface DecodeStream {
  push(id: number): string;
  end(): string;
}

/** What a stream needs to know about a tokenizer. */
export interface DecoderParts {
  readonly checked: CheckedJson;
  readonly engine: () => Engine;
  /** Special tokens are left out; a decoder that reads ends of words then trims the text. */
  readonly skips: boolean;
  /** Removes spaces before punctuation. */
  readonly cleansUp: boolean;
}

/** Makes a stream over ids that are known to be in the vocabulary, special ones left out. */
export function decodeStreamOf(parts: DecoderParts): DecodeStream {
  const stream = exactStream(parts.checked) ?? windowStream((ids) => decodeTogether(ids, parts));
  return parts.cleansUp ? cleanedUp(stream) : stream;
}

/** The text of all ids at once. */
export function decodeAll(ids: readonly number[], parts: DecoderParts): string {
  if (
    (parts.checked.json['decoder'] as { type?: string } | null)?.type === 'ByteLevel' &&
    !parts.checked.model['end_of_word_suffix']
  ) {
    const text = decodeBytes(ids, parts.checked);
    return parts.cleansUp ? cleanUp(text) : text;
  }
  const stream = exactStream(parts.checked);
  let text = '';
  if (stream) for (const id of ids) text += stream.push(id);
  text = stream ? text + stream.end() : decodeTogether(ids, parts);
  return parts.cleansUp ? cleanUp(text) : text;
}

function decodeTogether(ids: readonly number[], { engine, skips }: DecoderParts): string {
  const options = { skip_special_tokens: skips, clean_up_tokenization_spaces: false };
  return ids.length ? engine().decode([...ids], options) : '';
}

/** A stream for the decoders that look at each token by itself; null for others. */
function exactStream(checked: CheckedJson): DecodeStream | null {
  const { json, tokens, model } = checked;
  const step = json['decoder'] as { type?: string; prefix?: string; cleanup?: boolean } | null | undefined;
  if (model['end_of_word_suffix']) return null;
  if (step?.type === 'ByteLevel') return byteLevelStream(checked);
  if (step?.type === 'Fuse') return { push: (id) => tokens[id]!, end: () => '' };
  if (step && step.type !== 'WordPiece') return null;
  let isFirst = true;
  const push = (id: number): string => {
    let text = tokens[id]!;
    if (!isFirst) text = step?.prefix && text.startsWith(step.prefix) ? text.slice(step.prefix.length) : ` ${text}`;
    isFirst = false;
    return step?.cleanup ? cleanUp(text) : text;
  };
  return { push, end: () => '' };
}

// Bytes of a character wait for the rest of it.
function byteLevelStream({ tokens, added }: CheckedJson): DecodeStream {
  const whole = new Set(added.map(({ id }) => id));
  const make = (): TextDecoder => new TextDecoder('utf-8', { ignoreBOM: true });
  let decoder = make();
  const end = (): string => {
    const rest = decoder.decode();
    decoder = make();
    return rest;
  };
  return {
    push: (id) => {
      const token = tokens[id]!;
      return whole.has(id) ? end() + token : decoder.decode(tokenBytes(token), { stream: true });
    },
    end,
  };
}

// All at once: the bytes between added tokens are decoded together.
function decodeBytes(ids: readonly number[], { tokens, added }: CheckedJson): string {
  const whole = new Set(added.map(({ id }) => id));
  const known = new Map<number, Uint8Array>();
  let text = '';
  let bytes = Buffer.alloc(1024);
  let size = 0;
  const flush = (): void => {
    text += decoder.decode(bytes.subarray(0, size));
    size = 0;
  };
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  for (const id of ids) {
    if (whole.has(id)) {
      flush();
      text += tokens[id]!;
      continue;
    }
    let more = known.get(id);
    if (!more) known.set(id, (more = tokenBytes(tokens[id]!)));
    if (size + more.length > bytes.length) bytes = Buffer.concat([bytes, Buffer.alloc(bytes.length + more.length)]);
    for (let i = 0; i < more.length; i++) bytes[size++] = more[i]!;
  }
  flush();
  return text;
}

/** The bytes that a token is spelled with, or those of its text where it isn't spelled in bytes. */
function tokenBytes(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = charToByte.get(token[i]!);
    if (byte === undefined) return Buffer.from(token);
    bytes[i] = byte;
  }
  return bytes;
}

// Any decoder, on the last few ids: what a new id adds shows after the ids before it.
function windowStream(decode: (ids: readonly number[]) => string): DecodeStream {
  const least = 16;
  let ids: number[] = [];
  let given = '';
  // Bytes that may yet become a character show as one U+FFFD at the end.
  const settled = (text: string): string => (text.endsWith('\ufffd') ? text.slice(0, -1) : text);
  const next = (text: string): string => {
    if (!text.startsWith(given)) return '';
    const piece = text.slice(given.length);
    given = text;
    return piece;
  };
  return {
    push: (id) => {
      ids.push(id);
      const text = decode(ids);
      const piece = next(settled(text));
      if (ids.length < 2 * least) return piece;
      // Goes on from the last ids where they read the same without those before.
      const rest = ids.slice(-least);
      const restText = decode(rest);
      if (text.endsWith(restText) && given === settled(text)) [ids, given] = [rest, settled(restText)];
      return piece;
    },
    end: () => next(decode(ids)),
  };
}

/** English text without the spaces that a list of words has before punctuation, as Hugging Face's option does it. */
export function cleanUp(text: string): string {
  for (const [from, to] of cleanups) text = text.replaceAll(from, to);
  return text;
}
const cleanups = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
] as const;

// Every replacement begins at a space, so what stands before the last one is settled, unless an apostrophe waits there.
function cleanedUp(stream: DecodeStream): DecodeStream {
  let waiting = '';
  return {
    push: (id) => {
      waiting += stream.push(id);
      let cut = waiting.lastIndexOf(' ');
      while (cut > 0 && (waiting[cut - 1] === "'" || waiting[cut - 1] === ' ')) cut = waiting.lastIndexOf(' ', cut - 1);
      if (cut <= 0) return '';
      const settled = waiting.slice(0, cut);
      waiting = waiting.slice(cut);
      return cleanUp(settled);
    },
    end: () => {
      const rest = cleanUp(waiting + stream.end());
      waiting = '';
      return rest;
    },
  };
}
