// chrF (Popović, 2015) and chrF++ (2017) as sacreBLEU defines them: n-grams of characters, and of words, that a translation
// has in common with a reference.

/** What chrF is computed with; sacreBLEU's defaults. */
export interface ChrfOptions {
  /** The longest n-grams of characters; 6 unless given. */
  readonly charOrder?: number;
  /** The longest n-grams of words: 0 unless given; 2 for chrF++. */
  readonly wordOrder?: number;
  /** How much more recall counts than precision; 2 unless given. */
  readonly beta?: number;
  readonly lowercase?: boolean;
  /** Whether spaces are characters; false unless given. */
  readonly whitespace?: boolean;
}

const punctuation = new Set('!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~');

// A sign at a word's end, or else at its beginning, is a word of its own.
const wordsOf = (text: string): string[] =>
  text
    .split(/\s+/)
    .filter(Boolean)
    .flatMap((word) => {
      const signs = Array.from(word);
      if (signs.length === 1) return [word];
      if (punctuation.has(signs.at(-1)!)) return [signs.slice(0, -1).join(''), signs.at(-1)!];
      return punctuation.has(signs[0]!) ? [signs[0]!, signs.slice(1).join('')] : [word];
    });

function ngrams(units: readonly string[], n: number): Map<string, number> {
  const found = new Map<string, number>();
  for (let i = 0; i + n <= units.length; i++) {
    const key = units.slice(i, i + n).join('\u0000');
    found.set(key, (found.get(key) ?? 0) + 1);
  }
  return found;
}

// By order, characters first: n-grams of the translation, of the reference, and in common.
type Counts = readonly (readonly [own: number, other: number, common: number])[];

/**
 * chrF of a corpus, from 0 to 100.
 *
 * @param translations one text each
 * @param references of each translation, one or several, of which the best counts
 */
export function chrf(
  translations: readonly string[],
  references: readonly (readonly string[])[],
  o: ChrfOptions = {},
): number {
  const { charOrder = 6, wordOrder = 0, beta = 2, lowercase = false, whitespace = false } = o;
  if (translations.length !== references.length)
    throw new Error(`chrf: ${translations.length} translations and references for ${references.length}; needs as many`);
  const parts = (text: string): Map<string, number>[] => {
    const line = lowercase ? text.toLowerCase() : text;
    const chars = Array.from(whitespace ? line : line.replaceAll(/\s+/g, ''));
    const words = wordOrder ? wordsOf(line) : [];
    return [
      ...Array.from({ length: charOrder }, (_, n) => ngrams(chars, n + 1)),
      ...Array.from({ length: wordOrder }, (_, n) => ngrams(words, n + 1)),
    ];
  };
  const all = Array.from({ length: charOrder + wordOrder }, () => [0, 0, 0] as [number, number, number]);
  translations.forEach((text, i) => {
    const own = parts(text);
    if (!references[i]!.length) throw new Error(`chrf: translation ${i} has no reference`);
    let best: { counts: Counts; score: number } | null = null;
    for (const reference of references[i]!) {
      const counts = parts(reference).map((other, n) => inCommon(own[n]!, other));
      const score = fScore(counts, beta);
      if (!best || score > best.score) best = { counts, score };
    }
    best!.counts.forEach((counts, n) => counts.forEach((value, k) => (all[n]![k]! += value)));
  });
  return fScore(all, beta);
}

function inCommon(own: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): [number, number, number] {
  let [mine, theirs, common] = [0, 0, 0];
  for (const [ngram, count] of own) {
    mine += count;
    common += Math.min(count, other.get(ngram) ?? 0);
  }
  for (const count of other.values()) theirs += count;
  // An order for which the reference is too short counts for nothing.
  return [other.size ? mine : 0, theirs, common];
}

// The F of mean precision and mean recall over the orders that both are long enough for.
function fScore(counts: Counts, beta: number): number {
  const there = counts.filter(([own, other]) => own > 0 && other > 0);
  if (!there.length) return 0;
  const precision = there.reduce((sum, [own, , common]) => sum + common / own, 0) / there.length;
  const recall = there.reduce((sum, [, other, common]) => sum + common / other, 0) / there.length;
  const weight = beta * beta;
  return precision + recall ? (100 * (1 + weight) * precision * recall) / (weight * precision + recall) : 0;
}
