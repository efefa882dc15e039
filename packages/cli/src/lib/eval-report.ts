// What lm eval shows besides its scores: classes one by one, a picture of what was taken for what, and every prediction.
import type { ClassReport, PrecisionRecall } from '@brickwork/training';
import { usage } from './errors.ts';
import type { Measured } from './measure.ts';
import { table } from './table.ts';
import type { TaskName } from './task-names.ts';
import { writeDrawing } from './write-drawing.ts';

/** The scores of classes by name. */
export type ByClass = Readonly<Record<string, PrecisionRecall>>;

/** A report by the classes' names. */
export const byClass = ({ classes }: ClassReport, names: readonly string[]): ByClass =>
  Object.fromEntries(classes.map((scores, c) => [names[c] ?? String(c), scores]));

/** A line for each class. */
export const reportTable = (report: ByClass): string =>
  table(
    [
      ['class', 'precision', 'recall', 'F1', 'examples'],
      ...Object.entries(report).map(([name, { precision, recall, f1, support }]) => [
        name,
        precision.toFixed(4),
        recall.toFixed(4),
        f1.toFixed(4),
        String(support),
      ]),
    ],
    [1, 2, 3, 4],
  );

/** The number of the class that --positive-label names. */
export function positiveOf(label: string, names: readonly string[] | null): number {
  const found = names?.indexOf(label) ?? -1;
  if (found < 0)
    throw usage(`--positive-label is '${label}'; the classes are ${names?.join(', ') ?? 'not known'}`, 'one of them');
  return found;
}

/** @throws where the name of a picture doesn't say what it is. */
export function checkPicture(path: string | undefined): void {
  if (path !== undefined && !/\.(?:svg|png)$/i.test(path))
    throw usage(`--confusion-matrix is '${path}'; needs a name that ends in .svg or .png`);
}

/** Draws the confusion matrix to a file, as its name says. */
export async function drawMatrix(path: string, { matrix }: Measured, names: readonly string[] | null): Promise<void> {
  if (!matrix || !names)
    throw usage('--confusion-matrix is for tasks that give each example one class', 'leave it out');
  const { confusionPicture } = await import('@brickwork/training');
  await writeDrawing(path, confusionPicture(matrix, names));
}

/** What was predicted for each example, in the order of the data. */
export function rowsOf(task: TaskName, { found }: Measured, names: readonly string[] | null): object[] {
  const { predicted, actual, width } = found;
  const named = (c: number): string | number => names?.[c] ?? c;
  if (task === 'multi-label') {
    const marked = (all: readonly number[], row: number): (string | number)[] =>
      Array.from({ length: width }, (_, c) => c)
        .filter((c) => all[row * width + c])
        .map(named);
    return Array.from({ length: predicted.length / width }, (_, row) => ({
      predicted: marked(predicted, row),
      expected: marked(actual, row),
    }));
  }
  const shown = (value: number): string | number => (task === 'regression' ? value : named(value));
  return predicted.map((p, i) => ({ predicted: shown(p), expected: shown(actual[i]!) }));
}

/** Writes lines of JSON, all or nothing. */
export async function writePredictions(path: string, rows: readonly object[]): Promise<void> {
  const { writeFileAtomic } = await import('@brickwork/runtime');
  await writeFileAtomic(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}
