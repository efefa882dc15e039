// How well cosines of words go together with people's scores (Finkelstein et al., 2002, WordSim-353; Hill et al., 2015, SimLex-999;
// Bruni et al., 2014, MEN): pairs with an unknown word are left out and counted, as gensim does.
import { readFile } from 'node:fs/promises';
import { pearson, spearman } from '@brickwork/training';
import type { WordVectors } from './word-vectors.ts';

/** Two words and how alike people find them. */
export interface WordPair {
  readonly a: string;
  readonly b: string;
  readonly score: number;
}

/** What came of it. */
export interface WordPairReport {
  /** Pairs that were compared, and pairs left out. */
  readonly pairs: number;
  readonly unknown: number;
  readonly pearson: number;
  readonly spearman: number;
}

/** Reads a file of word, word and score, apart by tabs, commas or spaces. A first line of names is left out. @throws with the line. */
export async function readWordPairs(path: string): Promise<WordPair[]> {
  const pairs: WordPair[] = [];
  for (const [i, line] of (await readFile(path, 'utf8')).split(/\r?\n/).entries()) {
    if (!line.trim() || line.startsWith('#')) continue;
    const [a, b, third] = line.trim().split(/[\t,; ]+/);
    const score = third === undefined ? NaN : Number(third);
    if (!Number.isFinite(score)) {
      if (!pairs.length && i === 0) continue;
      throw new Error(`${path}:${i + 1}: ${JSON.stringify(line.slice(0, 60))}; needs two words and a score`);
    }
    pairs.push({ a: a!, b: b!, score });
  }
  if (pairs.length < 2) throw new Error(`${path}: ${pairs.length} pairs; needs two at least`);
  return pairs;
}

/** Compares cosines with scores. Words are looked up as they are, then in lower case. @throws where fewer than two pairs are known. */
export function evaluateWordPairs(vectors: WordVectors, pairs: readonly WordPair[]): WordPairReport {
  const find = (word: string): string | null => [word, word.toLowerCase()].find((form) => vectors.has(form)) ?? null;
  const [cosines, scores]: [number[], number[]] = [[], []];
  for (const { a, b, score } of pairs) {
    const [x, y] = [find(a), find(b)];
    if (x === null || y === null) continue;
    cosines.push(vectors.similarity(x, y));
    scores.push(score);
  }
  if (cosines.length < 2)
    throw new Error(`evaluateWordPairs: ${cosines.length} of ${pairs.length} pairs have vectors; needs two at least`);
  return {
    pairs: cosines.length,
    unknown: pairs.length - cosines.length,
    pearson: pearson(cosines, scores),
    spearman: spearman(cosines, scores),
  };
}
