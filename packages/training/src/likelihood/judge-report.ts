// How well classes are told by likelihood, and how far their probabilities can be trusted.
import {
  classReport,
  confusionMatrix,
  hitsOf,
  type ClassReport,
  type ConfusionMatrix,
} from '../measures/classification.ts';
import type { JudgedText } from './evidence-page.ts';
import { calibration, negativeLogLikelihood, type Calibration, type Judged } from './posterior.ts';

/** How well classes are told, and how far probabilities can be trusted. */
export interface JudgeReport {
  readonly texts: number;
  readonly accuracy: number;
  /** Rows are true classes, in the order of `labels`. */
  readonly matrix: ConfusionMatrix;
  readonly classes: ClassReport;
  /** Mean −ln p of the true class, in nats. */
  readonly negativeLogLikelihood: number;
  readonly calibration: Calibration;
  readonly predictions: readonly JudgedText[];
}

/** What was judged, beside what is true. */
export interface JudgedTexts {
  readonly judged: readonly JudgedText[];
  /** Numbers of the true classes. */
  readonly actual: readonly number[];
  readonly labels: readonly string[];
  readonly priors: readonly number[];
}

/** Log-likelihoods with the true classes. */
export const examplesOf = ({ judged, actual }: Pick<JudgedTexts, 'judged' | 'actual'>): Judged[] =>
  judged.map(({ classes }, i) => ({
    logLikelihoods: classes.map(({ logLikelihood }) => logLikelihood),
    actual: actual[i]!,
  }));

/** The report of judged texts. */
export function judgeReport(all: JudgedTexts, temperature: number): JudgeReport {
  const { judged, actual, labels, priors } = all;
  const predicted = judged.map(({ label }) => labels.indexOf(label));
  const right = predicted.map((p, i) => p === actual[i]);
  const matrix = confusionMatrix(predicted, actual, labels.length);
  return {
    texts: judged.length,
    accuracy: right.filter(Boolean).length / right.length,
    matrix,
    classes: classReport(hitsOf(matrix)),
    negativeLogLikelihood: negativeLogLikelihood(examplesOf(all), { priors, temperature }),
    calibration: calibration(
      judged.map(({ classes }, i) => classes[predicted[i]!]!.probability),
      right,
    ),
    predictions: judged.map((one, i) => ({ ...one, actual: labels[actual[i]!]! })),
  };
}
