// Two lists of what was found made one: by the places in each (reciprocal rank fusion: Cormack et al., 2009), or by weighted
// scores.
import type { Scored } from './top-k.ts';

/** How a vector's and a text's findings become one list. */
export interface FusionOptions {
  /** `rrf`: the sum of 1 / (60 + place); `weighted`: scores of each list put between 0 and 1, and their weighted mean. */
  readonly method?: 'rrf' | 'weighted';
  /** `rrf`'s 60. */
  readonly constant?: number;
  /** How much the vector's list counts, from 0 to 1; 0.5 unless given. */
  readonly vectorWeight?: number;
}

/** Fuses two lists, best first; of equal scores the smaller row comes first. @throws where a number makes no sense. */
export function fuse(
  byVector: readonly Scored[],
  byText: readonly Scored[],
  { method = 'rrf', constant = 60, vectorWeight = 0.5 }: FusionOptions = {},
): Scored[] {
  if (method !== 'rrf' && method !== 'weighted')
    throw new Error(`fusion: method is ${JSON.stringify(method)}; needs rrf or weighted`);
  if (!(vectorWeight >= 0 && vectorWeight <= 1))
    throw new Error(`fusion: vectorWeight is ${vectorWeight}; needs a number from 0 to 1`);
  if (!(constant >= 0)) throw new Error(`fusion: constant is ${constant}; needs a number from 0`);
  const scores = new Map<number, number>();
  const put = (list: readonly Scored[], weight: number): void => {
    const [most, least] = [list[0]?.score ?? 0, list.at(-1)?.score ?? 0];
    list.forEach(({ row, score }, i) => {
      const own = method === 'rrf' ? 1 / (constant + i + 1) : most > least ? (score - least) / (most - least) : 1;
      scores.set(row, (scores.get(row) ?? 0) + weight * own);
    });
  };
  // Twice the half is one: plain rrf where both count the same.
  put(byVector, method === 'rrf' ? 2 * vectorWeight : vectorWeight);
  put(byText, method === 'rrf' ? 2 * (1 - vectorWeight) : 1 - vectorWeight);
  return [...scores].map(([row, score]) => ({ row, score })).sort((a, b) => b.score - a.score || a.row - b.row);
}
