// Classes, several at once, or a number, for a text or a pair: what `…ForSequenceClassification` is trained on.
import { hostTensor } from '@brickwork/runtime';
import { bitsOf, floats, tokenInputs, wholeNumbers, type InputOptions } from './inputs.ts';
import { numbers, wrongKind, type Task, type TaskTokenizer } from './task.ts';
import type { Example } from '../data/example.ts';

/** As config.json's `problem_type`. */
export type ProblemType = 'single_label_classification' | 'multi_label_classification' | 'regression';

/** What the labels of a data set are. */
export interface LabelSet {
  readonly problem: ProblemType;
  /** Names of the classes in the order of their numbers; of a regression, none. */
  readonly names: readonly string[];
}

/**
 * Finds out what labels are: lists are several classes at once, fractions are a regression, all else is one class of
 * several. Class names are sorted; numbers in the order of their values.
 */
export async function labelSet(examples: AsyncIterable<Example> | Iterable<Example>): Promise<LabelSet> {
  const seen = new Set<string | number>();
  let [isList, isFraction] = [false, false];
  for await (const example of examples) {
    if (example.kind !== 'labelled') wrongKind('labels', example, 'labelled texts');
    const { label } = example;
    if (typeof label === 'object') isList = true;
    for (const one of typeof label === 'object' ? label : [label]) {
      if (typeof one === 'number' && !Number.isInteger(one)) isFraction = true;
      else seen.add(one);
      if (seen.size > 2 ** 16) throw new Error('labels: more than 65,536 classes; is this column the label?');
    }
  }
  if (isFraction) return { problem: 'regression', names: [] };
  const names = [...seen].toSorted((a, b) =>
    typeof a === 'number' && typeof b === 'number' ? a - b : String(a) < String(b) ? -1 : 1,
  );
  // Numbers count from 0, whether or not all of them appear.
  const largest = Math.max(0, ...names.filter((n) => typeof n === 'number'));
  const isCount = names.every((n) => typeof n === 'number' && n >= 0);
  return {
    problem: isList ? 'multi_label_classification' : 'single_label_classification',
    names: isCount ? Array.from({ length: largest + 1 }, (_, i) => `LABEL_${i}`) : names.map(String),
  };
}

/** What a classification is made from. */
export interface ClassificationOptions extends InputOptions {
  readonly labels: LabelSet;
  /** Whether the model has token types. */
  readonly typed?: boolean;
}

/** Texts and pairs with a label. @throws by `encode`, for a label that the set doesn't have. */
export function classification(tokenizer: TaskTokenizer, o: ClassificationOptions): Task {
  const { labels, typed = false, limit } = o;
  const { problem, names } = labels;
  const byName = new Map(names.map((name, i) => [name, i]));
  const classOf = (label: string | number): number => {
    const index = typeof label === 'number' && byName.has(`LABEL_${label}`) ? label : byName.get(String(label));
    if (index === undefined)
      throw new Error(`classification: no class is called ${JSON.stringify(label)}; there are ${names.join(', ')}`);
    return index;
  };
  const encodeLabel = (label: string | number | readonly (string | number)[]): Int32Array => {
    if (problem === 'regression') {
      const values = [label].flat().map(Number);
      if (!values.every(Number.isFinite))
        throw new Error(`classification: the label ${JSON.stringify(label)} is no number, and this is a regression`);
      return numbers(values.map(bitsOf));
    }
    if (problem === 'multi_label_classification') {
      const on = new Set([label].flat().map(classOf));
      return numbers(names.map((_, i) => bitsOf(on.has(i) ? 1 : 0)));
    }
    if (typeof label === 'object')
      throw new Error(`classification: the label ${JSON.stringify(label)} is a list; each text has one class here`);
    return numbers([classOf(label)]);
  };
  return {
    identity: { task: 'classification', problem, names, typed, limit },
    lengthOf: 'input_ids',
    encode(example) {
      if (example.kind !== 'labelled') return wrongKind('classification', example, 'a text and its label');
      const { text, pair, label } = example;
      const encoding = tokenizer.encode(text, { maxLength: limit, ...(pair !== null && { textPair: pair }) });
      return [
        {
          input_ids: numbers(encoding.ids),
          ...(typed && { token_type_ids: numbers(encoding.typeIds) }),
          labels: encodeLabel(label),
        },
      ];
    },
    collate(examples) {
      const B = examples.length;
      const labelled =
        problem === 'single_label_classification' ? wholeNumbers(examples, 'labels') : floats(examples, 'labels');
      const isSingle = problem === 'regression' && labelled.shape[1] === 1;
      return {
        batch: {
          ...tokenInputs(examples, o),
          labels: isSingle ? hostTensor(labelled.data, [B]) : labelled,
        },
        count: B,
      };
    },
  };
}
