// What each token of a vocabulary adds to a text, its space included: how words are put together and where they end.
import type { Tokenizer } from '@brickwork/tokenizer';

const known = new WeakMap<Tokenizer, readonly string[]>();

/**
 * The text that each token adds after a letter: ' the' and 'ing', and nothing for special tokens. Bytes of a part of a
 * character are U+FFFD.
 */
export function pieceTexts(tokenizer: Tokenizer): readonly string[] {
  const found = known.get(tokenizer);
  if (found) return found;
  const anchor = anchorOf(tokenizer);
  const special = new Set(Object.values(tokenizer.specialTokens).map(({ id }) => id));
  const before = tokenizer.decode(anchor).length;
  const texts = Array.from({ length: tokenizer.vocabularySize }, (_, id) => {
    // Numbers may be missing in between.
    if (special.has(id) || tokenizer.idToToken(id) === undefined) return '';
    return tokenizer.decode([...anchor, id]).slice(before);
  });
  known.set(tokenizer, texts);
  return texts;
}

// A letter that the vocabulary has.
function anchorOf(tokenizer: Tokenizer): readonly number[] {
  for (const letter of ['a', 'e', 'A', 'о', 'の']) {
    try {
      const { ids } = tokenizer.encode(letter, { addSpecialTokens: false });
      if (ids.length === 1 && tokenizer.decode(ids).trim() === letter) return ids;
    } catch {
      // A vocabulary of characters may not have this one.
    }
  }
  return [];
}

/** A word, or its beginning, with the space before it: letters, digits, and hyphens and apostrophes within. */
export const isWord = (text: string): boolean => /^\s?[\p{L}\p{N}][\p{L}\p{N}\p{M}'’-]*$/u.test(text);

/** Whether a text goes on within a word with this piece. */
export const continuesWord = (piece: string): boolean => /^[\p{L}\p{N}\p{M}'’-]/u.test(piece);

// Scripts that write no spaces between words.
const spaceless = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]$/u;

/** Whether a word after this text needs a space before it. */
export const needsSpace = (text: string): boolean =>
  text !== '' && !/[\s"“‘'«([{—–-]$/u.test(text) && !spaceless.test(text);
