// A corpus of words as numbers: a vocabulary by frequency, and every text as ids, in memory that threads share.
import { wordTokens, type WordTokenOptions } from './word-tokens.ts';

/** Which words there are. */
export interface WordCorpusOptions extends WordTokenOptions {
  /** Rarer words are left out; 5 unless given. */
  readonly minCount?: number;
  /** Only the most frequent words; all unless given. */
  readonly maxVocabulary?: number;
  readonly signal?: AbortSignal;
  /** Called now and then with the words read so far. */
  readonly onProgress?: (words: number) => void;
}

/** Words by frequency, the most frequent first (of equally frequent ones, in the order of their first appearance). */
export interface WordCorpus {
  readonly words: readonly string[];
  readonly counts: Float64Array;
  /** The texts' words of the vocabulary one after another, -1 after each text. */
  readonly ids: Int32Array;
  /** Words in `ids`. */
  readonly total: number;
  /** Words in all, those left out included. */
  readonly read: number;
}

const chunkSize = 2 ** 20;
// Four bytes each: 2 GiB.
const mostIds = 2 ** 29;

/**
 * Reads texts: strings, or lists of words. Each is one context, over whose end no window reaches. Up to 2^29 (half a billion)
 * words fit.
 *
 * @throws where no word is frequent enough, or there are too many; or the signal's reason.
 */
export async function wordCorpus(
  texts: Iterable<string | readonly string[]> | AsyncIterable<string | readonly string[]>,
  o: WordCorpusOptions = {},
): Promise<WordCorpus> {
  const { minCount = 5, maxVocabulary = Infinity, signal, onProgress } = o;
  if (!(Number.isInteger(minCount) && minCount > 0))
    throw new Error(`wordCorpus: minCount is ${minCount}; needs a whole number above 0`);
  if (!(maxVocabulary > 0)) throw new Error(`wordCorpus: maxVocabulary is ${maxVocabulary}; needs a number above 0`);
  const first = new Map<string, number>();
  const seen: number[] = [];
  const chunks: Int32Array[] = [];
  let [chunk, used, read] = [new Int32Array(chunkSize), 0, 0];
  const put = (id: number): void => {
    if (used === chunkSize) {
      chunks.push(chunk);
      if (chunks.length * chunkSize >= mostIds)
        throw new Error(`wordCorpus: more than ${mostIds} words; train on a part of the text`);
      [chunk, used] = [new Int32Array(chunkSize), 0];
    }
    chunk[used++] = id;
  };
  for await (const text of texts) {
    signal?.throwIfAborted();
    for (const word of typeof text === 'string' ? wordTokens(text, o) : text) {
      let id = first.get(word);
      if (id === undefined) first.set(word, (id = seen.push(0) - 1));
      seen[id]!++;
      put(id);
      if (++read % 100_000 === 0) onProgress?.(read);
    }
    put(-1);
  }
  const names = [...first.keys()];
  const kept = names
    .map((_, id) => id)
    .filter((id) => seen[id]! >= minCount)
    .toSorted((a, b) => seen[b]! - seen[a]! || a - b)
    .slice(0, Math.min(maxVocabulary, names.length));
  if (!kept.length)
    throw new Error(
      read
        ? `wordCorpus: none of ${names.length} words is there ${minCount} times; lower minCount`
        : 'wordCorpus: the texts have no words',
    );
  const place = new Int32Array(names.length).fill(-1);
  kept.forEach((id, i) => (place[id] = i));
  let total = 0;
  for (const id of kept) total += seen[id]!;
  // Words that are left out leave no gap: their neighbours move together, as in word2vec.
  const ids = new Int32Array(new SharedArrayBuffer(4 * (total + ends(chunks, chunk, used))));
  let at = 0;
  for (const [part, length] of [...chunks.map((c) => [c, chunkSize] as const), [chunk, used] as const])
    for (let i = 0; i < length; i++) {
      const id = part[i]! < 0 ? -1 : place[part[i]!]!;
      if (id >= 0 || part[i]! < 0) ids[at++] = id;
    }
  return {
    words: kept.map((id) => names[id]!),
    counts: Float64Array.from(kept, (id) => seen[id]!),
    ids,
    total,
    read,
  };
}

function ends(chunks: readonly Int32Array[], last: Int32Array, used: number): number {
  let n = 0;
  for (const chunk of chunks) for (const id of chunk) if (id < 0) n++;
  for (let i = 0; i < used; i++) if (last[i]! < 0) n++;
  return n;
}
