// Trains a WordPiece vocabulary (Schuster and Nakajima, 2012) as Hugging Face does: by merging the most frequent pairs.
import { BertNormalizer, BertPreTokenizer } from '@huggingface/tokenizers';
import { wellFormed } from './bytes.ts';
import { countWords } from './count-words.ts';
import { learnMerges } from './learn-merges.ts';
import type { Pause } from './pause.ts';
import type { TokenizerJson } from './tokenizer-json.ts';
import { bertNormalizer, wordPieceJson } from './word-piece-json.ts';
import type { WordEnd } from './words.ts';

const prefix = '##';

/** Ids: the special tokens, the characters, the characters that continue a word, then a token for each merge. */
export async function trainWordPiece(
  chunks: Iterable<string> | AsyncIterable<string>,
  o: { vocabularySize: number; special: readonly string[]; minFrequency: number; lowercase: boolean; pause: Pause },
): Promise<TokenizerJson> {
  const unknown = o.special.find((token) => /^[[<](unk|UNK)[\]>]$/.test(token));
  if (unknown === undefined)
    throw new Error(
      `trainTokenizer: the special tokens ${JSON.stringify(o.special)} have no unknown token, which WordPiece needs; add "[UNK]"`,
    );
  const counts = bertWords(await countWords(chunks, spacedWordEnd, o.pause), o.lowercase);
  const characters = new Set<string>();
  const continuing = new Set<string>();
  for (const word of counts.keys())
    [...word].forEach((char, i) => {
      characters.add(char);
      if (i > 0) continuing.add(prefix + char);
    });
  const tokens = [...new Set([...o.special, ...sorted(characters), ...sorted(continuing)])];
  if (characters.size === 0)
    throw new Error('trainTokenizer: the text holds no words, only spaces and control characters');
  if (o.vocabularySize < tokens.length)
    throw new Error(
      `trainTokenizer: a vocabulary of ${o.vocabularySize} is too small for the ${tokens.length - o.special.length} ` +
        `characters of this text and ${o.special.length} special tokens; needs a vocabularySize of at least ${tokens.length}`,
    );
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const words = Array.from(counts, ([word, count]) => ({
    symbols: Array.from(word, (char, i) => ids.get(i > 0 ? prefix + char : char)!),
    count,
  }));
  await learnMerges(words, {
    ...o,
    nextId: tokens.length,
    join: (first, second, candidate) => {
      const joined = tokens[first]! + tokens[second]!.slice(prefix.length);
      const known = ids.get(joined);
      if (known !== undefined) return known;
      ids.set(joined, candidate);
      tokens[candidate] = joined;
      return candidate;
    },
  });
  return wordPieceJson(Object.fromEntries(ids), { ...o, unknown, oneSigma: o.lowercase && characters.has('σ') });
}

// BERT's words of the text between spaces. Its normalizer looks at no character beyond a space.
function bertWords(spaced: ReadonlyMap<string, number>, lowercase: boolean): Map<string, number> {
  const normalizer = new BertNormalizer(
    bertNormalizer({ lowercase }) as ConstructorParameters<typeof BertNormalizer>[0],
  );
  const preTokenizer = new BertPreTokenizer();
  const counts = new Map<string, number>();
  for (const [text, count] of spaced) {
    const normalized = normalizer.normalize(wellFormed(text));
    for (const word of preTokenizer.pre_tokenize(lowercase ? normalized.replaceAll('ς', 'σ') : normalized))
      counts.set(word, (counts.get(word) ?? 0) + count);
  }
  return counts;
}

// The end of a run of spaces, or of a run of anything else.
const spacedWordEnd: WordEnd = (text, start, stop = text.length) => {
  const isSpace = (i: number): boolean => ' \t\n\r'.includes(text[i]!);
  const kind = isSpace(start);
  let i = start + 1;
  while (i < stop && isSpace(i) === kind) i++;
  const splitsPair = i < text.length && /^[\ud800-\udbff][\udc00-\udfff]/.test(text.slice(i - 1, i + 1));
  return splitsPair ? i + 1 : i;
};

const sorted = (tokens: Iterable<string>): string[] =>
  [...tokens]
    .map((token) => [...token])
    .sort(compareCharacters)
    .map((token) => token.join(''));
function compareCharacters(a: readonly string[], b: readonly string[]): number {
  return a.at(-1)!.codePointAt(0)! - b.at(-1)!.codePointAt(0)!;
}
