// BLEU (Papineni et al., 2002) as sacreBLEU defines it (Post, 2018): n-grams of up to four words that a translation has in
// common with references, over a whole corpus.

/** How texts are cut into words: as mteval-v13a does, not at all (they are cut at spaces), or into characters. */
export type BleuTokenizer = '13a' | 'none' | 'char';

/** What BLEU is computed with; sacreBLEU's defaults. */
export interface BleuOptions {
  /** `13a` unless given. */
  readonly tokenize?: BleuTokenizer;
  readonly lowercase?: boolean;
  /** The longest n-grams; 4 unless given. */
  readonly order?: number;
  /** What becomes of n-grams without a match: halved again and again (`exp`, unless given), `floor`, `add-k`, or `none`. */
  readonly smooth?: 'exp' | 'floor' | 'add-k' | 'none';
  /** Of `floor` (0.1 unless given) and `add-k` (1). */
  readonly smoothValue?: number;
  /** Counts only orders that the translation is long enough for; false unless given, true for a sentence alone. */
  readonly effectiveOrder?: boolean;
}

/** A score from 0 to 100, and what it is made of. */
export interface BleuScore {
  readonly score: number;
  /** By order, in percent. */
  readonly precisions: readonly number[];
  readonly counts: readonly number[];
  readonly totals: readonly number[];
  readonly brevityPenalty: number;
  /** Words of the translations, and of the references nearest in length. */
  readonly length: number;
  readonly referenceLength: number;
}

const rules: readonly (readonly [RegExp, string])[] = [
  // Signs, but for quotes inside words, hyphens, full stops and commas.
  [/([{-~[-` -&(-+:-@/])/g, ' $1 '],
  // Full stops and commas, unless digits stand on both sides.
  [/([^0-9])([.,])/g, '$1 $2 '],
  [/([.,])([^0-9])/g, ' $1 $2'],
  // A hyphen after a digit.
  [/([0-9])(-)/g, '$1 $2 '],
];

/** The words of a text as BLEU counts them. */
export function bleuWords(text: string, { tokenize = '13a', lowercase = false }: BleuOptions = {}): string[] {
  let line = lowercase ? text.toLowerCase() : text;
  if (tokenize === 'char') return Array.from(line).filter((c) => c.trim());
  if (tokenize === '13a') {
    line = line.replaceAll('<skipped>', '').replaceAll('-\n', '').replaceAll('\n', ' ');
    for (const [from, to] of [
      ['&quot;', '"'],
      ['&amp;', '&'],
      ['&lt;', '<'],
      ['&gt;', '>'],
    ] as const)
      line = line.replaceAll(from, to);
    line = ` ${line} `;
    for (const [pattern, by] of rules) line = line.replaceAll(pattern, by);
  } else if (tokenize !== 'none')
    throw new Error(`bleu: no tokenizer ${JSON.stringify(tokenize)}; there are 13a, none, char`);
  return line.split(/\s+/).filter(Boolean);
}

/** How often each n-gram is there, of one order. */
function ngrams(words: readonly string[], n: number): Map<string, number> {
  const found = new Map<string, number>();
  for (let i = 0; i + n <= words.length; i++) {
    const key = words.slice(i, i + n).join('\u0000');
    found.set(key, (found.get(key) ?? 0) + 1);
  }
  return found;
}

/**
 * BLEU of a corpus.
 *
 * @param translations one text each
 * @param references of each translation, one or several
 */
export function bleu(
  translations: readonly string[],
  references: readonly (readonly string[])[],
  o: BleuOptions = {},
): BleuScore {
  const { order = 4, smooth = 'exp', effectiveOrder = false } = o;
  if (translations.length !== references.length)
    throw new Error(`bleu: ${translations.length} translations and references for ${references.length}; needs as many`);
  if (!['exp', 'floor', 'add-k', 'none'].includes(smooth))
    throw new Error(`bleu: no smoothing ${JSON.stringify(smooth)}; there are exp, floor, add-k, none`);
  const [counts, totals] = [Array<number>(order).fill(0), Array<number>(order).fill(0)];
  let [length, referenceLength] = [0, 0];
  translations.forEach((text, i) => {
    const own = bleuWords(text, o);
    const others = references[i]!.map((reference) => bleuWords(reference, o));
    if (!others.length) throw new Error(`bleu: translation ${i} has no reference`);
    length += own.length;
    // The reference nearest in length; of two equally near, the shorter.
    referenceLength += others
      .map((words) => words.length)
      .toSorted((a, b) => Math.abs(a - own.length) - Math.abs(b - own.length) || a - b)[0]!;
    for (let n = 1; n <= order; n++) {
      totals[n - 1]! += Math.max(0, own.length - n + 1);
      const known = others.map((words) => ngrams(words, n));
      for (const [ngram, count] of ngrams(own, n))
        counts[n - 1]! += Math.min(count, Math.max(...known.map((m) => m.get(ngram) ?? 0)));
    }
  });
  const brevityPenalty = length >= referenceLength ? 1 : length ? Math.exp(1 - referenceLength / length) : 0;
  const { precisions, used } = precisionsOf(counts, totals, { ...o, order, smooth, effectiveOrder });
  const logs = precisions.slice(0, used).reduce((sum, p) => sum + Math.log(p), 0);
  const score = counts.some(Boolean) ? brevityPenalty * Math.exp(logs / used) : 0;
  return { score, precisions, counts, totals, brevityPenalty, length, referenceLength };
}

// In percent, and over how many orders the mean goes.
function precisionsOf(
  counts: readonly number[],
  totals: readonly number[],
  o: BleuOptions & Required<Pick<BleuOptions, 'order' | 'smooth' | 'effectiveOrder'>>,
): { precisions: number[]; used: number } {
  const { smooth, smoothValue = smooth === 'add-k' ? 1 : 0.1 } = o;
  const precisions = Array<number>(o.order).fill(0);
  let used = o.order;
  if (!counts.some(Boolean)) return { precisions, used };
  let halved = 1;
  for (let n = 1; n <= o.order; n++) {
    const added = smooth === 'add-k' && n > 1 ? smoothValue : 0;
    const [count, total] = [counts[n - 1]! + added, totals[n - 1]! + added];
    if (total === 0) break;
    if (o.effectiveOrder) used = n;
    if (count) precisions[n - 1] = (100 * count) / total;
    else if (smooth === 'exp') precisions[n - 1] = 100 / ((halved *= 2) * total);
    else if (smooth === 'floor') precisions[n - 1] = (100 * smoothValue) / total;
  }
  return { precisions, used };
}

/** BLEU of one sentence, of the orders that it is long enough for. */
export const sentenceBleu = (translation: string, references: readonly string[], o: BleuOptions = {}): BleuScore =>
  bleu([translation], [references], { effectiveOrder: true, ...o });
