// What a classifier's labels mean: `problem_type` and the number of labels in config.json, as Hugging Face reads them.
import type { DType } from '@brickwork/graph';

/** A number to predict for each label, one label of many, or any number of labels. */
export type ProblemType = 'regression' | 'single_label_classification' | 'multi_label_classification';
const known: readonly unknown[] = [
  'regression',
  'single_label_classification',
  'multi_label_classification',
] satisfies ProblemType[];

/** What a classifier tells apart. */
export interface Labels {
  /** How many there are: the length of `id2label`, or else `num_labels`, or else 2. */
  readonly count: number;
  /** Null where the config doesn't say: it then follows from the labels' type. */
  readonly problemType: ProblemType | null;
}

/** Reads `id2label`, `num_labels` and `problem_type` of a config.json. */
export function readLabels(architecture: string, config: Readonly<Record<string, unknown>>): Labels {
  const { id2label, problem_type: problemType = null } = config;
  const count: unknown =
    typeof id2label === 'object' && id2label !== null ? Object.keys(id2label).length : (config['num_labels'] ?? 2);
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 1)
    throw new Error(
      `${architecture} config: ${JSON.stringify(count)} labels (id2label, num_labels); needs a whole number above 0`,
    );
  if (problemType !== null && !known.includes(problemType))
    throw new Error(
      `${architecture} config: problem_type is ${JSON.stringify(problemType)}; known are ${known.join(', ')}`,
    );
  return { count, problemType: problemType as ProblemType | null };
}

/** What labels of a type mean where the config doesn't say: with one label it is a number, real ones mark several. */
export function problemTypeOf({ count, problemType }: Labels, dtype: DType): ProblemType {
  if (problemType) return problemType;
  if (count === 1) return 'regression';
  return dtype === 'int64' || dtype === 'int32' ? 'single_label_classification' : 'multi_label_classification';
}

/** How many scores each token gets where a span's ends are looked for: 2, and the config must not say otherwise. */
export function bothEnds(architecture: string, { count }: Labels): number {
  if (count !== 2)
    throw new Error(
      `${architecture} config: ${count} labels (id2label, num_labels) for question answering; needs 2: start and end`,
    );
  return count;
}
