// How well questions are answered (SQuAD 1.1: Rajpurkar et al., 2016): articles, punctuation and case don't count.

const punctuation = /[!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]/g;

/** A text in lower case without ASCII punctuation, the articles a, an, the, and more white space than one space. */
export const normalizeAnswer = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(punctuation, '')
    .replaceAll(/\b(?:a|an|the)\b/gu, ' ')
    .trim()
    .split(/\s+/)
    .join(' ');

const best = (one: (answer: string) => number, answers: readonly string[]): number => Math.max(0, ...answers.map(one));

/** 1 where the prediction is one of the right answers, normalized; otherwise 0. */
export const exactMatch = (predicted: string, answers: readonly string[]): number =>
  best((answer) => Number(normalizeAnswer(predicted) === normalizeAnswer(answer)), answers);

/** F1 of the words in common with the right answer that has most in common. */
export function wordF1(predicted: string, answers: readonly string[]): number {
  const words = (text: string): string[] => normalizeAnswer(text).split(' ').filter(Boolean);
  const own = words(predicted);
  return best((answer) => {
    const other = words(answer);
    // No answer is right only where there is none.
    if (!own.length || !other.length) return Number(own.length === other.length);
    const left = new Map<string, number>();
    for (const word of other) left.set(word, (left.get(word) ?? 0) + 1);
    let common = 0;
    for (const word of own) {
      const n = left.get(word) ?? 0;
      if (n) common++;
      left.set(word, n - 1);
    }
    return common ? (2 * common) / (own.length + other.length) : 0;
  }, answers);
}
