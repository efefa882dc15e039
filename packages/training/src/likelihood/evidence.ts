// What in a text speaks for a class: the ratio of its probability under the best class's language model and under the
// others', piece by piece. The pieces' evidence adds up to the text's.

/** A text as a language model scores it: what is needed of `Scored`. */
export interface ScoredText {
  readonly text: string;
  readonly tokens: readonly {
    readonly start: number;
    readonly end: number;
    /** Nats; null where nothing predicted it. */
    readonly logProb: number | null;
  }[];
}

/** A piece of a text that all models cut out alike: a token, or several where tokenizers differ. */
export interface AlignedPiece {
  readonly text: string;
  /** `[start, end)` in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  /** ln p under each model given what stands before it; 0 where one of them doesn't say, as at a text's first token. */
  readonly logProbs: readonly number[];
}

/** A piece of a text and what it says. */
export interface Evidence extends AlignedPiece {
  /** ln of p under the best class over p under the mixture of the others, in nats: above 0 speaks for the best class. */
  readonly logRatio: number;
}

/**
 * A text as several models scored it, in the smallest pieces whose ends all tokenizers share; together they are the whole
 * text. Sums over pieces can be compared whatever the tokenizers are.
 *
 * @throws where the texts differ.
 */
export function alignScores(scored: readonly ScoredText[]): AlignedPiece[] {
  const text = scored[0]?.text ?? '';
  if (scored.some((one) => one.text !== text)) throw new Error('alignScores: the models scored different texts');
  const ends = commonEnds(scored);
  const sums = scored.map((one) => sumsUpTo(one, ends));
  return ends.map((end, i) => {
    const start = i ? ends[i - 1]! : 0;
    const own = sums.map((each) => each[i]!);
    const isKnown = own.every((sum) => sum !== null);
    return { text: text.slice(start, end), start, end, logProbs: own.map((sum) => (isKnown ? sum! : 0)) };
  });
}

/** ln p of a text under each model, over the pieces that all of them scored. */
export const totals = (pieces: readonly AlignedPiece[], models: number): number[] =>
  Array.from({ length: models }, (_, m) => pieces.reduce((sum, { logProbs }) => sum + logProbs[m]!, 0));

/**
 * What each piece of a text says for one class. The others are one mixture: each counts as much as the text so far speaks
 * for it, so that the ratios add up to ln p(text | best) − ln Σ share · p(text | other).
 *
 * @param best number of the class @param priors share of each class; all the same unless given
 * @throws where there is one class alone.
 */
export function evidence(pieces: readonly AlignedPiece[], best: number, priors?: readonly number[]): Evidence[] {
  const classes = pieces[0]?.logProbs.length ?? priors?.length ?? 0;
  if (!pieces.length) return [];
  if (classes < 2) throw new Error(`evidence: ${classes} class; needs two or more to compare`);
  if (!(Number.isInteger(best) && best >= 0 && best < classes))
    throw new Error(`evidence: class ${best}; needs one from 0 to ${classes - 1}`);
  const others = Array.from({ length: classes }, (_, c) => c).filter((c) => c !== best);
  // ln of each other class's share, unnormalised: its prior and what it made of the text so far.
  const logShares = others.map((c) => Math.log(Math.max(priors?.[c] ?? 1, Number.MIN_VALUE)));
  let before = logSum(logShares);
  return pieces.map((piece) => {
    others.forEach((c, i) => (logShares[i]! += piece.logProbs[c]!));
    const after = logSum(logShares);
    const logRatio = piece.logProbs[best]! - (after - before);
    before = after;
    return { ...piece, logRatio };
  });
}

function logSum(logs: readonly number[]): number {
  const top = Math.max(...logs);
  return Number.isFinite(top) ? top + Math.log(logs.reduce((sum, l) => sum + Math.exp(l - top), 0)) : top;
}

// Where every model's tokens end together; what stands between tokens belongs to the one after it.
function commonEnds(scored: readonly ScoredText[]): number[] {
  const { text } = scored[0]!;
  if (!text) return [];
  const each = scored.map(({ tokens }) => {
    const ends = new Set<number>();
    let reach = 0;
    tokens.forEach(({ end }, t) => {
      reach = Math.max(reach, end);
      const next = tokens[t + 1];
      // Several tokens may be bytes of one character.
      if (!next || next.start >= reach) ends.add(reach);
    });
    return ends;
  });
  const common = [...each[0]!].filter((end) => end > 0 && end < text.length && each.every((ends) => ends.has(end)));
  return [...common.toSorted((a, b) => a - b), text.length];
}

// Of each piece; null where a token of it has no probability.
function sumsUpTo({ tokens }: ScoredText, ends: readonly number[]): (number | null)[] {
  const sums = ends.map((): number | null => 0);
  let piece = 0;
  for (const { end, logProb } of tokens) {
    while (piece < ends.length - 1 && end > ends[piece]!) piece++;
    const sum = sums[piece];
    if (typeof sum === 'number') sums[piece] = logProb === null ? null : sum + logProb;
  }
  return sums;
}
