// BM25 (Robertson and Zaragoza, 2009), as Lucene has it: how well a text's words answer a query's, each by how rare it is, how often
// it stands there, and how long the text is.
import { wordTokens } from '../words/word-tokens.ts';

/** BM25's two numbers. */
export interface Bm25Options {
  /** How soon a word that stands there often counts no more; 1.2 unless given. */
  readonly k1?: number;
  /** How much long texts count less; 0.75 unless given, 0 not at all. */
  readonly b?: number;
}

/** Where a word stands: rows, and how often in each. */
export interface Postings {
  readonly rows: Uint32Array;
  readonly counts: Uint32Array;
}

/** The words of a text, as they are looked up: in lower case, without accents. */
export const bm25Tokens = (text: string): string[] => wordTokens(text.normalize('NFKD').replace(/\p{M}+/gu, ''));

/** @throws where a number makes no sense. */
export function checkBm25({ k1 = 1.2, b = 0.75 }: Bm25Options): Required<Bm25Options> {
  if (!(k1 >= 0 && Number.isFinite(k1))) throw new Error(`bm25: k1 is ${k1}; needs a number from 0`);
  if (!(b >= 0 && b <= 1)) throw new Error(`bm25: b is ${b}; needs a number from 0 to 1`);
  return { k1, b };
}

/**
 * Adds what a word says to the scores of rows.
 *
 * @param lengths words of each row's text @param isLive whether a row is still there @param live how many are, with how many
 *   words in the mean
 */
export function addBm25(
  scores: Map<number, number>,
  postings: Postings,
  o: Required<Bm25Options> & {
    readonly lengths: Uint32Array;
    readonly isLive: (row: number) => boolean;
    readonly live: number;
    readonly meanLength: number;
  },
): void {
  let found = 0;
  for (const row of postings.rows) if (o.isLive(row)) found++;
  const idf = Math.log(1 + (o.live - found + 0.5) / (found + 0.5));
  postings.rows.forEach((row, i) => {
    if (!o.isLive(row)) return;
    const tf = postings.counts[i]!;
    const norm = o.k1 * (1 - o.b + (o.b * o.lengths[row]!) / (o.meanLength || 1));
    scores.set(row, (scores.get(row) ?? 0) + (idf * tf * (o.k1 + 1)) / (tf + norm));
  });
}

/** A text's words with how often each stands there. */
export function countTokens(text: string): { readonly length: number; readonly counts: Map<string, number> } {
  const tokens = bm25Tokens(text);
  const counts = new Map<string, number>();
  for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1);
  return { length: tokens.length, counts };
}

/** Postings as bytes, and back. */
export const packPostings = ({ rows, counts }: Postings): Uint8Array =>
  new Uint8Array(Uint32Array.from([...rows, ...counts]).buffer);
export function unpackPostings(bytes: Uint8Array): Postings {
  const all = new Uint32Array(bytes.slice().buffer);
  const n = all.length / 2;
  return { rows: all.subarray(0, n), counts: all.subarray(n) };
}
