// Semantic textual similarity (Cer et al., 2017, STS-B; Marelli et al., 2014, SICK): pairs of sentences with people's scores,
// and how well an encoder's similarities go together with them.
import { pearson, spearman } from '@brickwork/training';
import type { EncodeOptions, SentenceEncoder } from './sentence-encoder.ts';
import { similarityBy, type SimilarityName } from './similarity.ts';

/** Two sentences and how alike people find them. */
export interface ScoredPair {
  readonly a: string;
  readonly b: string;
  readonly score: number;
}

/** What came of it. */
export interface StsReport {
  readonly pairs: number;
  /** How nearly similarities and scores lie on a line. */
  readonly pearson: number;
  /** How nearly they have the same order: the figure that is usually given. */
  readonly spearman: number;
  /** Of each pair, in order. */
  readonly similarities: readonly number[];
}

/** Compares the vectors of both sentences of each pair, by cosine unless told otherwise, with the scores. */
export async function evaluateSts(
  encoder: Pick<SentenceEncoder, 'encode'>,
  pairs: readonly ScoredPair[],
  { similarity = 'cosine', ...o }: EncodeOptions & { readonly similarity?: SimilarityName } = {},
): Promise<StsReport> {
  const compare = similarityBy(similarity);
  const vectors = await encoder.encode(
    pairs.flatMap(({ a, b }) => [a, b]),
    o,
  );
  const similarities = pairs.map((_, i) => compare(vectors[2 * i]!, vectors[2 * i + 1]!));
  const scores = pairs.map(({ score }) => score);
  return {
    pairs: pairs.length,
    pearson: pearson(similarities, scores),
    spearman: spearman(similarities, scores),
    similarities,
  };
}

// Names of columns, as STS-B's, GLUE's, SICK's and sentence-transformers' files have them.
const names = {
  a: ['sentence1', 'sentence_a', 'text1', 'a'],
  b: ['sentence2', 'sentence_b', 'text2', 'b'],
  score: ['score', 'relatedness_score', 'similarity_score', 'label'],
} as const;

/** Where the sentences and the score stand in the cells of a row. */
export interface StsColumns {
  readonly a: number;
  readonly b: number;
  readonly score: number;
}

/** The columns that a first line names; null where it names none. */
export function stsHeader(cells: readonly string[]): StsColumns | null {
  const lower = cells.map((cell) => cell.trim().toLowerCase());
  const at = (known: readonly string[]): number => lower.findIndex((cell) => known.includes(cell));
  const found = { a: at(names.a), b: at(names.b), score: at(names.score) };
  return Object.values(found).every((place) => place >= 0) ? found : null;
}

/**
 * The columns of rows without names: STS-B's seven or more (genre, file, year, number, score, sentence, sentence, sources),
 * or three: the score first or last.
 *
 * @throws where the row is none of these.
 */
export function stsColumns(cells: readonly string[]): StsColumns {
  const isNumber = (cell: string | undefined): boolean =>
    cell !== undefined && cell.trim() !== '' && Number.isFinite(Number(cell));
  if (cells.length >= 7 && isNumber(cells[4])) return { score: 4, a: 5, b: 6 };
  if (cells.length === 3 && isNumber(cells[2])) return { a: 0, b: 1, score: 2 };
  if (cells.length === 3 && isNumber(cells[0])) return { score: 0, a: 1, b: 2 };
  throw new Error(
    `${cells.length} columns: ${JSON.stringify(cells.slice(0, 3)).slice(0, 80)}; needs STS-B's (score the fifth, sentences the sixth and seventh), three (two sentences and a score), or a line of names (sentence1, sentence2, score)`,
  );
}

/** The pair of a row. @throws where a sentence is missing or the score is no number. */
export function scoredPair(row: { readonly a: unknown; readonly b: unknown; readonly score: unknown }): ScoredPair {
  const { a, b } = row;
  if (typeof a !== 'string' || typeof b !== 'string') throw new Error('a sentence is missing; needs two and a score');
  const score = typeof row.score === 'string' && row.score.trim() === '' ? NaN : Number(row.score);
  if (!Number.isFinite(score)) throw new Error(`the score is ${JSON.stringify(row.score)}; needs a number`);
  return { a, b, score };
}
