// The scores of predictions that lm finetune and lm eval show, task by task.
import type { ClassReport, ConfusionMatrix } from '@brickwork/training';

/** Scores by name, in the order in which they are shown. */
export type Scores = Record<string, number>;

type Measures = typeof import('@brickwork/training');

/** What is looked at besides the usual. */
export interface ScoreOptions {
  /** Of two classes, the one that is looked for; the second unless given. */
  readonly positive?: number;
  /** Also the share of examples whose class is among the k of the highest scores. */
  readonly topK?: number;
}

/** What one pass over labelled examples found. */
export interface Found {
  readonly predicted: readonly number[];
  readonly actual: readonly number[];
  /** How many classes, or marks of each example, there are. */
  readonly width: number;
  /** Scores of all classes by example, where they were kept. */
  readonly logits: readonly number[];
}

/** Of the class predicted for each example, and the true one. */
export function classScores(
  m: Measures,
  { predicted, actual, width, logits }: Found,
  { positive = 1, topK }: ScoreOptions = {},
): { scores: Scores; matrix: ConfusionMatrix; report: ClassReport } {
  const matrix = m.confusionMatrix(predicted, actual, width);
  const report = m.classReport(m.hitsOf(matrix));
  const accuracy = m.accuracy(predicted, actual);
  const matthews = m.matthewsCorrelation(matrix);
  const top = topK === undefined ? {} : { [`top_${topK}_accuracy`]: m.topKAccuracy(logits, actual, topK) };
  const one = width === 2 ? report.classes[positive] : undefined;
  const { macro, weighted } = report;
  const scores: Scores = one
    ? { accuracy, ...top, f1: one.f1, precision: one.precision, recall: one.recall, matthews }
    : { accuracy, ...top, f1_macro: macro.f1, f1_weighted: weighted.f1, matthews };
  return { scores, matrix, report };
}

/** Of several marks for each example, 0 or 1. */
export function markScores(m: Measures, { predicted, actual, width }: Found): { scores: Scores; report: ClassReport } {
  const { counts, exact } = m.markCounts(predicted, actual, width);
  const report = m.classReport(counts);
  const { micro, macro } = report;
  const scores = {
    exact_match: exact,
    f1_micro: micro.f1,
    precision_micro: micro.precision,
    recall_micro: micro.recall,
    f1_macro: macro.f1,
  };
  return { scores, report };
}

/** Of numbers. */
export function numberScores(m: Measures, { predicted, actual }: Found): Scores {
  const { rmse, mae, r2 } = m.errors(predicted, actual);
  return { pearson: m.pearson(predicted, actual), spearman: m.spearman(predicted, actual), rmse, mae, r2 };
}

/** Of tags of spans, text by text. */
export function entityScores(
  m: Measures,
  predicted: readonly (readonly string[])[],
  actual: readonly (readonly string[])[],
): { scores: Scores; report: ClassReport; types: readonly string[] } {
  const { types, ...report } = m.entityReport(predicted, actual);
  const { precision, recall, f1 } = report.micro;
  return { scores: { entity_f1: f1, entity_precision: precision, entity_recall: recall }, report, types };
}
