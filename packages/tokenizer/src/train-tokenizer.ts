// Trains a vocabulary on a text that comes in chunks, and gives the tokenizer.json for it.
import { wellFormed } from './bytes.ts';
import { Pause, type TrainingProgress } from './pause.ts';
import type { TokenizerJson } from './tokenizer-json.ts';
import { trainByteLevel } from './train-byte-level.ts';
import { trainCharacters } from './train-characters.ts';
import { trainWordPiece } from './train-word-piece.ts';

/** Options of {@link trainTokenizer}. */
export interface TrainTokenizerOptions {
  /**
   * `'bpe'`: byte-level BPE with GPT-2's word pattern; reads any text. `'wordpiece'`: BERT's. `'char'`: each character is
   * a token.
   */
  readonly type: 'bpe' | 'wordpiece' | 'char';
  /** Tokens to reach, special ones included; 30000 unless given, for `'char'` all characters. A small text gives fewer. */
  readonly vocabularySize?: number;
  /**
   * Tokens with the first ids, found in a text before anything else. Unless given `<|endoftext|>` for `'bpe'`; `[PAD]`,
   * `[UNK]`, `[CLS]`, `[SEP]` and `[MASK]` for `'wordpiece'`; none for `'char'`, where encoding a character outside the
   * vocabulary is an error unless `<unk>` is among them.
   */
  readonly specialTokens?: readonly string[];
  /** Pairs seen less often than this are not joined; 2 unless given. */
  readonly minFrequency?: number;
  /** For `'wordpiece'`: all text in lower case without accents; true unless given. */
  readonly lowercase?: boolean;
  /** Stops the training; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told some twenty times a second how far the training is. */
  readonly onProgress?: (progress: TrainingProgress) => void;
}

const defaults = {
  bpe: ['<|endoftext|>'],
  wordpiece: ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'],
  char: [],
} as const;

/**
 * Trains a tokenizer. The result doesn't depend on how the text is cut into chunks; memory grows with the number of
 * different words, not with the text. Pairs of equal frequency are joined in the order of their ids. Words of more than
 * 4096 UTF-16 units, as a text without spaces has, are cut.
 *
 * Hugging Face's libraries give the same ids, but for U+0085 and U+FEFF in byte-level BPE: JavaScript and Rust disagree on
 * whether they are spaces, so words beside them may be cut in different places.
 *
 * @param chunks the text, cut anywhere.
 * @returns a tokenizer.json that Hugging Face's libraries read: `new Tokenizer(json)`, or {@link saveTokenizer}.
 * @throws where the text is empty or the vocabulary has no room for the alphabet.
 */
export async function trainTokenizer(
  chunks: Iterable<string> | AsyncIterable<string>,
  o: TrainTokenizerOptions,
): Promise<TokenizerJson> {
  const { type, minFrequency = 2, lowercase = true } = o;
  if (!Object.hasOwn(defaults, type))
    throw new Error(`trainTokenizer: the type is ${JSON.stringify(type)}; needs 'bpe', 'wordpiece' or 'char'`);
  const vocabularySize = o.vocabularySize ?? (type === 'char' ? Infinity : 30_000);
  const isSize = Number.isSafeInteger(vocabularySize) && vocabularySize > 0 && vocabularySize <= 2 ** 24;
  if (!isSize && !(type === 'char' && o.vocabularySize === undefined))
    throw new Error(`trainTokenizer: the vocabularySize is ${vocabularySize}; needs a whole number from 1 to 2^24`);
  if (!(minFrequency >= 0)) throw new Error(`trainTokenizer: the minFrequency is ${minFrequency}; needs 0 or more`);
  const special = checkSpecial(o.specialTokens ?? defaults[type]);
  const pause = new Pause(vocabularySize, o);
  if (type === 'char') return await trainCharacters(chunks, { specialTokens: special, vocabularySize, pause });
  const train = type === 'bpe' ? trainByteLevel : trainWordPiece;
  return await train(chunks, { vocabularySize, special, minFrequency, lowercase, pause });
}

function checkSpecial(tokens: readonly string[]): string[] {
  for (const token of tokens)
    if (typeof token !== 'string' || token === '' || wellFormed(token) !== token)
      throw new Error(`trainTokenizer: ${JSON.stringify(token)} is no special token; needs texts that aren't empty`);
  return [...new Set(tokens)];
}
