// Trains a byte-level BPE (Radford et al., 2019): the 256 bytes, then the pairs that occur most often.
import { byteLevelJson } from './byte-level-json.ts';
import { byteToChar, charToByte } from './bytes.ts';
import { countWords } from './count-words.ts';
import { learnMerges } from './learn-merges.ts';
import type { Pause } from './pause.ts';
import type { TokenizerJson } from './tokenizer-json.ts';
import { wordScanner } from './words.ts';

/** Ids: the special tokens, the bytes in the order of their characters, then a token for each merge. */
export async function trainByteLevel(
  chunks: Iterable<string> | AsyncIterable<string>,
  o: { vocabularySize: number; special: readonly string[]; minFrequency: number; pause: Pause },
): Promise<TokenizerJson> {
  const tokens = [...o.special];
  const ids = new Map(tokens.map((token, id) => [token, id]));
  for (const char of [...byteToChar].sort()) if (!ids.has(char)) ids.set(char, tokens.push(char) - 1);
  if (o.vocabularySize < tokens.length)
    throw new Error(
      `trainTokenizer: a vocabulary of ${o.vocabularySize} is too small for the 256 bytes and ${o.special.length} special ` +
        `${o.special.length === 1 ? 'token' : 'tokens'}; needs a vocabularySize of at least ${tokens.length}`,
    );
  const counts = await countWords(chunks, wordScanner('unicode'), o.pause);
  const byteIds = new Int32Array(256);
  for (const [char, byte] of charToByte) byteIds[byte] = ids.get(char)!;
  const words = Array.from(counts, ([word, count]) => ({
    symbols: Int32Array.from(Buffer.from(word), (byte) => byteIds[byte]!),
    count,
  }));
  const lines: string[] = [];
  const merges = await learnMerges(words, {
    ...o,
    nextId: tokens.length,
    join: (first, second, candidate) => {
      const joined = tokens[first]! + tokens[second]!;
      const known = ids.get(joined);
      if (known !== undefined) return known;
      ids.set(joined, candidate);
      tokens[candidate] = joined;
      return candidate;
    },
  });
  for (const [first, second] of merges) lines.push(`${tokens[first]} ${tokens[second]}`);
  return byteLevelJson(Object.fromEntries(ids), lines, o);
}
