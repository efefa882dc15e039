// How much likelier a context makes a text: pointwise mutual information (Holtzman et al., 2021, 'Surface form
// competition').
import type { Scored } from './scored.ts';
import type { ScoreOptions, Scorer } from './scorer.ts';

/** A text after its context, and after a context that says nothing. */
export interface MutualInformation {
  readonly conditional: Scored;
  readonly unconditional: Scored;
  /** ln p(text | context) - ln p(text | domain context), in nats. */
  readonly pmi: number;
}

/**
 * ln p(text | context) - ln p(text) of each item; with a domain context, such as 'Answer:', that takes the place of nothing
 * in the second term.
 *
 * @throws as {@link Scorer.score}; and where the two terms would be over different numbers of tokens, as without a token that
 *   begins texts: give a domain context then.
 */
export async function mutualInformation(
  scorer: Pick<Scorer, 'score'>,
  items: readonly { readonly context: string; readonly text: string }[],
  { domainContext = '', ...options }: ScoreOptions & { readonly domainContext?: string } = {},
): Promise<MutualInformation[]> {
  const conditional = await scorer.score(items, options);
  const alone = items.map(({ text }) => (domainContext ? { context: domainContext, text } : text));
  const unconditional = await scorer.score(alone, options);
  return conditional.map((one, i) => {
    const other = unconditional[i]!;
    if (other.tokens.some(({ logProb }) => logProb === null))
      throw new Error(
        'mutualInformation: nothing predicts the first token of a text alone; give a domainContext, such as "Answer:"',
      );
    return { conditional: one, unconditional: other, pmi: one.logProb - other.logProb };
  });
}
