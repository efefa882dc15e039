// Classes by Bayes' rule from the likelihood of a text under a language model of each, and how far that can be trusted:
// temperature scaling and the expected calibration error (Guo et al., 2017).

/** What is known besides the text. */
export interface PosteriorOptions {
  /** Share of each class before its text is seen; all the same unless given. Need not sum to 1. */
  readonly priors?: readonly number[];
  /** Divides log-likelihoods: models count words as if they were independent evidence, which they aren't. 1 unless given. */
  readonly temperature?: number;
}

/**
 * Probability of each class: prior × exp(log-likelihood / temperature), normalised.
 *
 * @param logLikelihoods ln p(text | class) in nats, of the whole text
 */
export function posterior(
  logLikelihoods: readonly number[],
  { priors, temperature = 1 }: PosteriorOptions = {},
): number[] {
  if (!(temperature > 0)) throw new Error(`posterior: temperature is ${temperature}; needs a number above 0`);
  if (priors && (priors.length !== logLikelihoods.length || !priors.every((p) => p >= 0) || !priors.some((p) => p > 0)))
    throw new Error(
      `posterior: priors are [${priors.join(', ')}] for ${logLikelihoods.length} classes; needs a share for each, not all 0`,
    );
  const logs = logLikelihoods.map((l, c) => l / temperature + Math.log(priors?.[c] ?? 1));
  const top = Math.max(...logs);
  // Where no class can have written it (or one's score is not a number), nothing is known but the priors.
  if (!Number.isFinite(top)) {
    const known = priors ?? logLikelihoods.map(() => 1);
    const sum = known.reduce((a, b) => a + b, 0);
    return known.map((p) => p / sum);
  }
  const each = logs.map((l) => Math.exp(l - top));
  const total = each.reduce((a, b) => a + b, 0);
  return each.map((p) => p / total);
}

/** A text whose class is known. */
export interface Judged {
  readonly logLikelihoods: readonly number[];
  /** The number of its class. */
  readonly actual: number;
}

// ln of the probability of the true class, without losing small ones to rounding.
function logProbability({ logLikelihoods, actual }: Judged, temperature: number, priors?: readonly number[]): number {
  const logs = logLikelihoods.map((l, c) => l / temperature + Math.log(priors?.[c] ?? 1));
  const top = Math.max(...logs);
  return logs[actual]! - top - Math.log(logs.reduce((sum, l) => sum + Math.exp(l - top), 0));
}

/** Mean −ln p of the true classes, in nats. */
export function negativeLogLikelihood(
  judged: readonly Judged[],
  { priors, temperature = 1 }: PosteriorOptions,
): number {
  return -judged.reduce((sum, one) => sum + logProbability(one, temperature, priors), 0) / judged.length;
}

const [coldest, hottest] = [1e-2, 1e4];

/**
 * The temperature from 0.01 to 10000 with the lowest mean −ln p of the true classes. The loss is convex in its inverse, so
 * that its lowest point is found by the golden section.
 *
 * @throws where there are no examples.
 */
export function fitTemperature(judged: readonly Judged[], priors?: readonly number[]): number {
  if (!judged.length) throw new Error('fitTemperature: no examples; needs some that were not trained on');
  const loss = (logInverse: number): number =>
    negativeLogLikelihood(judged, { temperature: Math.exp(-logInverse), ...(priors && { priors }) });
  const golden = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [-Math.log(hottest), -Math.log(coldest)];
  let [c, d] = [b - golden * (b - a), a + golden * (b - a)];
  let [atC, atD] = [loss(c), loss(d)];
  while (b - a > 1e-6) {
    if (atC <= atD) {
      [b, d, atD] = [d, c, atC];
      c = b - golden * (b - a);
      atC = loss(c);
    } else {
      [a, c, atC] = [c, d, atD];
      d = a + golden * (b - a);
      atD = loss(d);
    }
  }
  return Math.exp(-(a + b) / 2);
}

/** How sure predictions were, and how often right, of those within a range. */
export interface CalibrationBin {
  readonly count: number;
  /** Mean probability of what was predicted. */
  readonly confidence: number;
  readonly accuracy: number;
}

/** Expected calibration error and its bins. */
export interface Calibration {
  /** Mean distance of confidence and accuracy over bins of equal width, each as much as it holds: 0 is perfect. */
  readonly error: number;
  readonly bins: readonly CalibrationBin[];
}

/** How far probabilities of predictions are from the share that is right. Empty bins are left out. */
export function calibration(confidences: readonly number[], right: readonly boolean[], bins: number = 15): Calibration {
  if (confidences.length !== right.length)
    throw new Error(`calibration: ${confidences.length} probabilities for ${right.length} predictions; needs one each`);
  const sums = Array.from({ length: bins }, () => ({ count: 0, confidence: 0, right: 0 }));
  confidences.forEach((p, i) => {
    if (!(p >= 0 && p <= 1)) throw new Error(`calibration: probability ${i} is ${p}; needs 0 to 1`);
    // Bins hold their upper end.
    const bin = sums[Math.max(0, Math.ceil(p * bins) - 1)]!;
    bin.count++;
    bin.confidence += p;
    bin.right += Number(right[i]);
  });
  const error = sums.reduce((sum, bin) => sum + Math.abs(bin.confidence - bin.right), 0) / Math.max(1, right.length);
  return {
    error,
    bins: sums
      .filter(({ count }) => count > 0)
      .map(({ count, confidence, right: hits }) => ({
        count,
        confidence: confidence / count,
        accuracy: hits / count,
      })),
  };
}
