// What lm compare shows of texts, and of texts whose classes are known.
import type { Evidence, JudgedText, JudgeReport } from '@brickwork/training';
import { byClass, reportTable } from './eval-report.ts';
import { scoreTable } from './show-scores.ts';
import { table } from './table.ts';

/** A judged text as plain data. */
export const plainText = ({ label, classes, evidence, actual }: JudgedText, text: string): object => ({
  text,
  label,
  ...(actual !== undefined && { actual }),
  classes: Object.fromEntries(
    classes.map(({ label: name, probability, logLikelihood }) => [
      name,
      { probability, log_likelihood: logLikelihood },
    ]),
  ),
  evidence: evidence.map(({ text: piece, start, end, logRatio }) => ({ text: piece, start, end, log_ratio: logRatio })),
});

/** A judged text: its classes, and the words that speak most for and against the best. */
export function textTable({ label, classes, evidence }: JudgedText, text: string, most: number): string {
  const bytes = Buffer.byteLength(text);
  const rows = classes
    .toSorted((a, b) => b.probability - a.probability)
    .map((c) => [
      c.label,
      c.probability.toFixed(4),
      c.logLikelihood.toFixed(2),
      (-c.logLikelihood / Math.LN2 / bytes).toFixed(3),
    ]);
  const parts = [table([['class', 'probability', 'log-likelihood', 'bits a byte'], ...rows], [1, 2, 3])];
  const found = wordsOf(evidence).toSorted((a, b) => b.logRatio - a.logRatio);
  const list = (name: string, words: readonly Word[]): void => {
    if (most && words.length) parts.push(`${name}: ${words.map(shown).join(', ')}\n`);
  };
  list(`for ${label}`, found.filter((w) => w.logRatio > 0).slice(0, most));
  list(
    'against',
    found
      .filter((w) => w.logRatio < 0)
      .toReversed()
      .slice(0, most),
  );
  return parts.join('');
}

interface Word {
  readonly text: string;
  readonly logRatio: number;
}

const shown = ({ text, logRatio }: Word): string => `${text} ${logRatio < 0 ? '' : '+'}${logRatio.toFixed(2)}`;

/** Evidence by word, as white space separates them. */
export function wordsOf(evidence: readonly Evidence[]): Word[] {
  const words: { text: string; logRatio: number }[] = [];
  for (const { text, logRatio } of evidence) {
    const last = words.at(-1);
    const begins = !last || /^\s/.test(text) || /\s$/.test(last.text);
    if (begins) words.push({ text, logRatio });
    else {
      last.text += text;
      last.logRatio += logRatio;
    }
  }
  return words.map(({ text, logRatio }) => ({ text: text.trim(), logRatio })).filter(({ text }) => text);
}

/** A report as plain data. */
export const plainReport = (report: JudgeReport, labels: readonly string[]): object => ({
  texts: report.texts,
  accuracy: report.accuracy,
  negative_log_likelihood: report.negativeLogLikelihood,
  expected_calibration_error: report.calibration.error,
  f1_macro: report.classes.macro.f1,
  classes: byClass(report.classes, labels),
  confusion: report.matrix.map((row) => [...row]),
  labels,
});

/** A report as tables: scores, classes, and what was taken for what. */
export function reportText(report: JudgeReport, labels: readonly string[]): string {
  const scores = scoreTable({
    accuracy: report.accuracy,
    negative_log_likelihood: report.negativeLogLikelihood,
    expected_calibration_error: report.calibration.error,
  });
  const confusion = table(
    [['true \\ found', ...labels], ...report.matrix.map((row, c) => [labels[c]!, ...Array.from(row, String)])],
    labels.map((_, c) => c + 1),
  );
  return `${scores}\n${reportTable(byClass(report.classes, labels))}\n${confusion}`;
}
