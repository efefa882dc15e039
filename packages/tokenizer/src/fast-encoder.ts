// Text to ids without detours for the commonest kinds of tokenizer: byte-level BPE, characters, SentencePiece's unigrams.
import { SequencePreTokenizer } from '@huggingface/tokenizers';
import { aligned } from './aligned.ts';
import { hasCharsmap, normalizerOf } from './aligned-encoder.ts';
import { byteToChar, toByteChars } from './bytes.ts';
import { wordEncoder } from './model-encoders.ts';
import type { CheckedJson } from './read-json.ts';
import type { Section } from './sections.ts';
import { unknownCharacter } from './unknown-character.ts';
import { wordScanner } from './words.ts';

/** Encodes a section of a text, appending to `ids`. */
type SectionEncoder = (text: string, start: number, end: number, index: number, ids: number[]) => void;
const cachedWords = 1 << 16;
const longestCachedWord = 64;

/**
 * Makes an encoder that gives exactly the ids that @huggingface/tokenizers gives; for unigrams, those of SentencePiece.
 *
 * @returns null for a tokenizer of another kind.
 */
export function fastEncoder(
  checked: CheckedJson,
  findSections: (text: string) => readonly Section[],
): ((text: string) => number[]) | null {
  const encode = characterEncoder(checked) ?? byteLevelEncoder(checked) ?? unigramEncoder(checked);
  if (!encode) return null;
  return (text) => {
    const ids: number[] = [];
    findSections(text).forEach(({ start, end, token }, index) => {
      if (token) ids.push(token.id);
      else encode(text, start, end, index, ids);
    });
    return ids;
  };
}

/** A BPE whose every step is as written in its file. */
function isPlainBpe({ json, model }: CheckedJson): boolean {
  const isUnset = (name: string): boolean => !model[name];
  return (
    model['type'] === 'BPE' &&
    !json['normalizer'] &&
    ['end_of_word_suffix', 'continuing_subword_prefix', 'continuing_subword_suffix'].every(isUnset) &&
    ['byte_fallback', 'fuse_unk'].every(isUnset)
  );
}

// Each character is looked up.
function characterEncoder(checked: CheckedJson): SectionEncoder | null {
  const { ids, model, merges, preTokenizers, unknownId } = checked;
  if (!isPlainBpe(checked) || merges.size > 0 || preTokenizers.length > 0 || model['ignore_merges']) return null;
  const units = new Int32Array(0x10000).fill(-1);
  const pairs = new Map<string, number>();
  for (const [token, id] of ids)
    if (token.length === 1) units[token.charCodeAt(0)] = id;
    else if ([...token].length === 1) pairs.set(token, id);
  return (text, start, end, _, out) => {
    for (let i = start; i < end; i++) {
      const unit = text.charCodeAt(i);
      let id = units[unit]!;
      let length = 1;
      if ((unit & 0xfc00) === 0xd800 && i + 1 < end && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
        length = 2;
        id = pairs.get(text.slice(i, i + 2)) ?? -1;
      }
      if (id < 0) {
        if (unknownId === undefined) throw unknownCharacter(text, i, ids.size);
        id = unknownId;
      }
      out.push(id);
      i += length - 1;
    }
  };
}

// Words are encoded once and remembered.
function byteLevelEncoder(checked: CheckedJson): SectionEncoder | null {
  const { ids, model, merges, preTokenizers } = checked;
  const last = preTokenizers.at(-1);
  if (!isPlainBpe(checked) || last?.type !== 'ByteLevel') return null;
  const usesPattern = last['use_regex'] !== false;
  const before = preTokenizers.slice(0, -1);
  if (before.some(({ type }) => type === 'ByteLevel' || type === 'Metaspace')) return null;
  const byteIds = byteToChar.map((char) => ids.get(char) ?? -1);
  if (byteIds.includes(-1)) return null;
  const ignoresMerges = model['ignore_merges'] === true;
  let cache = new Map<string, number[]>();

  const encodeWord = (word: string, out: number[]): void => {
    let known = cache.get(word);
    if (known === undefined) {
      const whole = ignoresMerges ? ids.get(toByteChars(word)) : undefined;
      known = whole === undefined ? Array.from(Buffer.from(word), (byte) => byteIds[byte]!) : [whole];
      if (known.length > 1) merges.apply(known);
      if (word.length <= longestCachedWord) {
        if (cache.size >= cachedWords) cache = new Map();
        // A copy: a slice would keep its whole text alive.
        cache.set(word.length < 13 ? word : Buffer.from(word, 'utf16le').toString('utf16le'), known);
      }
    }
    for (let i = 0; i < known.length; i++) out.push(known[i]!);
  };
  const wordEnd = wordScanner('javascript');
  const addsSpace = last['add_prefix_space'] === true;
  const encodePart = (part: string, out: number[]): void => {
    const text = addsSpace && !part.startsWith(' ') ? ` ${part}` : part;
    if (!usesPattern) return encodeWord(text, out);
    for (let i = 0; i < text.length;) {
      const end = wordEnd(text, i);
      encodeWord(text.slice(i, end), out);
      i = end;
    }
  };
  const splitter = before.length
    ? new SequencePreTokenizer({ type: 'Sequence', pretokenizers: before } as unknown as ConstructorParameters<
        typeof SequencePreTokenizer
      >[0])
    : null;
  return (text, start, end, index, out) => {
    const section = text.slice(start, end);
    if (!splitter) return encodePart(section, out);
    for (const part of splitter.pre_tokenize(section, { section_index: index })) encodePart(part, out);
  };
}

// Words are cut into their likeliest pieces once and remembered.
function unigramEncoder(checked: CheckedJson): SectionEncoder | null {
  const { model, normalizers, preTokenizers, added, unknownId } = checked;
  const isPlain = Array.isArray(model['vocab']) && model['byte_fallback'] !== true && normalizers.some(hasCharsmap);
  if (!isPlain || added.some((token) => token.normalized)) return null;
  const encodeWord = wordEncoder(checked);
  if (!encodeWord) return null;
  const normalize = normalizerOf(normalizers);
  const splitter = new SequencePreTokenizer({
    type: 'Sequence',
    pretokenizers: preTokenizers,
  } as unknown as ConstructorParameters<typeof SequencePreTokenizer>[0]);
  let cache = new Map<string, number[]>();
  return (text, start, end, index, out) => {
    let last = -1;
    for (const word of splitter.pre_tokenize(normalize(text.slice(start, end)), { section_index: index })) {
      let known = cache.get(word);
      if (known === undefined) {
        known = encodeWord(aligned(word), text).map(({ id }) => id);
        if (word.length <= longestCachedWord) {
          if (cache.size >= cachedWords) cache = new Map();
          cache.set(Buffer.from(word, 'utf16le').toString('utf16le'), known);
        }
      }
      // Neighbouring unknown pieces are one.
      for (const id of known) {
        if (id !== unknownId || last !== id) out.push(id);
        last = id;
      }
    }
  };
}
