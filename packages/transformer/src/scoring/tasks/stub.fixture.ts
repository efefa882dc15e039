// A scorer with known numbers: ln p of each item is looked up.
import { scoredText, type Scored, type ScoreItem } from '../scored.ts';
import type { Scorer } from '../scorer.ts';

/** Keys are texts, or context and text with a bar between. Null: nothing predicts it. */
export function stub(
  logProbs: Readonly<Record<string, number | null>>,
): Pick<Scorer, 'score'> & { calls: ScoreItem[][] } {
  const calls: ScoreItem[][] = [];
  return {
    calls,
    async score(items, { signal } = {}): Promise<Scored[]> {
      signal?.throwIfAborted();
      calls.push([...items]);
      return items.map((item) => {
        const { context, text } = typeof item === 'string' ? { context: '', text: item } : item;
        const logProb = logProbs[context ? `${context}|${text}` : text];
        if (logProb === undefined) throw new Error(`no number for ${context}|${text}`);
        return scoredText(text, context, [{ id: 0, text, start: 0, end: text.length, word: 0, logProb }]);
      });
    },
  };
}
