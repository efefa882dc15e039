// From a word to tokens, with the part of the word that each stands for.
import { Unigram } from '@huggingface/tokenizers';
import type { Aligned } from './aligned.ts';
import { range } from './aligned.ts';
import type { CheckedJson } from './read-json.ts';
import { unknownCharacter } from './unknown-character.ts';

/** A token at units `[start, end)` of a word. */
export interface WordToken {
  readonly token: string;
  readonly id: number;
  readonly start: number;
  readonly end: number;
}
/** Encodes a word of a text. */
export type WordEncoder = (word: Aligned, text: string) => WordToken[];

/** The model's encoder, or null where the model is of a kind that only @huggingface/tokenizers knows. */
export function wordEncoder(checked: CheckedJson): WordEncoder | null {
  const { model } = checked;
  if (model['type'] === 'BPE') return model['continuing_subword_suffix'] ? null : bpe(checked);
  if (model['type'] === 'WordPiece') return wordPiece(checked);
  return Array.isArray(model['vocab']) ? unigram(checked) : null;
}

function bpe(checked: CheckedJson): WordEncoder {
  const { ids, tokens, model, unknownId } = checked;
  const prefix = typeof model['continuing_subword_prefix'] === 'string' ? model['continuing_subword_prefix'] : '';
  const suffix = typeof model['end_of_word_suffix'] === 'string' ? model['end_of_word_suffix'] : '';
  const unknown = (word: Aligned, text: string, start: number, end: number): WordToken[] => {
    if (model['byte_fallback'] === true) {
      const names = Array.from(
        Buffer.from(word.text.slice(start, end)),
        (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
      );
      if (names.every((name) => ids.has(name)))
        return names.map((token) => ({ token, id: ids.get(token)!, start, end }));
    }
    if (unknownId === undefined) throw unknownCharacter(text, range(word, start, end)[0], ids.size);
    return [{ token: tokens[unknownId]!, id: unknownId, start, end }];
  };
  return (word, text) => {
    const whole = model['ignore_merges'] === true ? ids.get(word.text) : undefined;
    if (whole !== undefined) return [{ token: word.text, id: whole, start: 0, end: word.text.length }];
    const chars = [...word.text];
    const lengths = chars.map((char) => char.length);
    const last = chars.length - 1;
    const symbols = chars.map((char, i) => ids.get((i ? prefix : '') + char + (i === last ? suffix : '')) ?? -1);
    checked.merges.apply(symbols, lengths);
    let end = 0;
    return symbols.flatMap((id, i) => {
      const start = end;
      end += lengths[i]!;
      return id < 0 ? unknown(word, text, start, end) : [{ token: tokens[id]!, id, start, end }];
    });
  };
}

// The longest token that begins the rest of the word, and so on; one unknown token where there is none.
function wordPiece({ ids, tokens, model, unknownId }: CheckedJson): WordEncoder {
  const prefix = typeof model['continuing_subword_prefix'] === 'string' ? model['continuing_subword_prefix'] : '##';
  const longest = (model['max_input_chars_per_word'] as number | undefined) ?? 100;
  return ({ text }) => {
    const unknown = [{ token: tokens[unknownId!]!, id: unknownId!, start: 0, end: text.length }];
    const ends = [0];
    for (const char of text) ends.push(ends.at(-1)! + char.length);
    if (ends.length - 1 > longest) return unknown;
    const found: WordToken[] = [];
    for (let first = 0, last = 0; first < ends.length - 1; first = last) {
      const start = ends[first]!;
      const spelled = (end: number): string => (first > 0 ? prefix : '') + text.slice(start, ends[end]);
      for (last = ends.length - 1; last > first && !ids.has(spelled(last));) last--;
      if (last === first) return unknown;
      const token = spelled(last);
      found.push({ token, id: ids.get(token)!, start, end: ends[last]! });
    }
    return found;
  };
}

// Unigram's tokens are the word's characters, cut where the likeliest reading has it.
function unigram({ ids, model, unknownId }: CheckedJson): WordEncoder {
  const engine = new Unigram(model as unknown as ConstructorParameters<typeof Unigram>[0], '');
  return ({ text }) => {
    let end = 0;
    const found: WordToken[] = [];
    for (const token of engine.encode([text])) {
      const start = end;
      end += token.length;
      found.push({ token, id: ids.get(token) ?? unknownId!, start, end });
    }
    return found;
  };
}
