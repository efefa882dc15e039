// How many analogies word vectors answer: the Google set (Mikolov et al., 2013), counted as word2vec's compute-accuracy and gensim
// do: what has a word that isn't among the most frequent ones isn't asked.
import { readFile } from 'node:fs/promises';
import type { AnalogyOptions, WordVectors } from './word-vectors.ts';
import { WordVectors as Space } from './word-vectors.ts';

/** `a` is to `b` as `c` is to `d`. */
export type Analogy = readonly [a: string, b: string, c: string, d: string];

/** Analogies of one kind. */
export interface AnalogySection {
  readonly name: string;
  readonly questions: readonly Analogy[];
}

/** How a section was answered. */
export interface AnalogyScore {
  readonly name: string;
  readonly correct: number;
  /** Questions that were asked. */
  readonly asked: number;
  /** Questions left out, as a word isn't there. */
  readonly unknown: number;
  /** correct / asked; NaN where none was asked. */
  readonly accuracy: number;
}

/** All of it. */
export interface AnalogyReport {
  readonly sections: readonly AnalogyScore[];
  /** Sections whose names don't begin with gram, those whose names do, and all. */
  readonly semantic: AnalogyScore;
  readonly syntactic: AnalogyScore;
  readonly total: AnalogyScore;
}

/** How analogies are asked. */
export interface EvaluateAnalogiesOptions extends Pick<AnalogyOptions, 'method'> {
  /** Only the first, most frequent words are asked about and are answers; 300,000 unless given. */
  readonly restrictVocabulary?: number;
  /** Words in any case; of those that differ in it alone the more frequent counts. True unless given. */
  readonly ignoreCase?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** Reads a file as Google's: `: section`, then four words on each line. @throws with the line that is none of these. */
export async function readAnalogies(path: string): Promise<AnalogySection[]> {
  const sections: { name: string; questions: Analogy[] }[] = [];
  for (const [i, line] of (await readFile(path, 'utf8')).split(/\r?\n/).entries()) {
    if (line.startsWith(':')) {
      sections.push({ name: line.slice(1).trim(), questions: [] });
      continue;
    }
    if (!line.trim()) continue;
    const words = line.trim().split(/\s+/);
    if (words.length !== 4)
      throw new Error(
        `${path}:${i + 1}: ${JSON.stringify(line.slice(0, 60))}; needs four words, or a section's name behind a colon`,
      );
    if (!sections.length) sections.push({ name: 'analogies', questions: [] });
    sections.at(-1)!.questions.push(words as unknown as Analogy);
  }
  if (!sections.some(({ questions }) => questions.length)) throw new Error(`${path}: there are no analogies in it`);
  return sections;
}

/** Asks all questions. @throws where there are none; or the signal's reason. */
export async function evaluateAnalogies(
  vectors: WordVectors,
  sections: readonly AnalogySection[],
  o: EvaluateAnalogiesOptions = {},
): Promise<AnalogyReport> {
  const { restrictVocabulary = 300_000, ignoreCase = true, method, signal, onProgress } = o;
  const total = sections.reduce((sum, { questions }) => sum + questions.length, 0);
  if (!total) throw new Error('evaluateAnalogies: there are no questions');
  if (!(restrictVocabulary > 0))
    throw new Error(`evaluateAnalogies: restrictVocabulary is ${restrictVocabulary}; needs a number above 0`);
  const fold = (word: string): string => (ignoreCase ? word.toUpperCase() : word);
  const space = restricted(vectors, restrictVocabulary, fold);
  let done = 0;
  const scores: AnalogyScore[] = [];
  for (const { name, questions } of sections) {
    let [correct, asked] = [0, 0];
    for (const question of questions) {
      if (done++ % 50 === 0) {
        signal?.throwIfAborted();
        onProgress?.({ done, total });
        await new Promise((resolve) => setImmediate(resolve));
      }
      const [a, b, c, d] = question.map(fold) as unknown as Analogy;
      if (![a, b, c, d].every((word) => space.has(word))) continue;
      asked++;
      if (space.analogy(a, b, c, { k: 1, ...(method && { method }) })[0]?.word === d) correct++;
    }
    scores.push(scoreOf(name, correct, asked, questions.length));
  }
  const together = (name: string, of: readonly AnalogyScore[]): AnalogyScore => {
    const sum = (pick: (s: AnalogyScore) => number): number => of.reduce((all, one) => all + pick(one), 0);
    const asked = sum((s) => s.asked);
    return scoreOf(
      name,
      sum((s) => s.correct),
      asked,
      asked + sum((s) => s.unknown),
    );
  };
  const isSyntactic = ({ name }: AnalogyScore): boolean => name.startsWith('gram');
  return {
    sections: scores,
    semantic: together(
      'semantic',
      scores.filter((s) => !isSyntactic(s)),
    ),
    syntactic: together('syntactic', scores.filter(isSyntactic)),
    total: together('total', scores),
  };
}

const scoreOf = (name: string, correct: number, asked: number, questions: number): AnalogyScore => ({
  name,
  correct,
  asked,
  unknown: questions - asked,
  accuracy: correct / asked,
});

// The most frequent words, folded; of those that become the same the first.
function restricted(
  { words, vectors, dimension: D }: WordVectors,
  most: number,
  fold: (word: string) => string,
): WordVectors {
  const places = new Map<string, number>();
  words.slice(0, most).forEach((word, i) => {
    const folded = fold(word);
    if (!places.has(folded)) places.set(folded, i);
  });
  const rows = new Float32Array(places.size * D);
  let at = 0;
  for (const i of places.values()) rows.set(vectors.subarray(i * D, (i + 1) * D), D * at++);
  return new Space([...places.keys()], rows);
}
