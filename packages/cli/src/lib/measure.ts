// How well a model does on held-out examples: its loss, and what the task is judged by.
import { random, streamSeed } from '@brickwork/nn';
import type { CompileOptions, HostTensor } from '@brickwork/runtime';
import type { ClassReport, ConfusionMatrix, ExampleStore, NamedBatch, Task, TrainStep } from '@brickwork/training';
import type { Model } from '@brickwork/transformer';
import {
  classScores,
  entityScores,
  markScores,
  numberScores,
  type Found,
  type ScoreOptions,
  type Scores,
} from './scores.ts';
import type { TaskName } from './task-names.ts';

/** What is measured. */
export interface MeasureOptions extends ScoreOptions {
  /** What classes are called; for tags of spans, which are told from their names. */
  readonly names?: readonly string[] | null;
  readonly name: TaskName;
  readonly task: Task;
  readonly batchSize: number;
  readonly signal: AbortSignal;
  readonly compile?: CompileOptions;
  readonly onProgress?: (done: number) => void;
}

const outputs: Readonly<Record<TaskName, readonly string[]>> = {
  classification: ['logits'],
  regression: ['logits'],
  'multi-label': ['logits'],
  tokens: ['logits'],
  qa: ['start_logits', 'end_logits'],
  clm: [],
  mlm: [],
  seq2seq: [],
};

/** What was found out. */
export interface Measured {
  readonly scores: Scores;
  /** How many predictions the loss is of. */
  readonly count: number;
  readonly found: Found;
  /** What was taken for what, where each example has one class. */
  readonly matrix?: ConfusionMatrix;
  /** By class, or by type of entity. */
  readonly report?: ClassReport;
  readonly reported?: readonly string[];
}

/** Measures a model on a store's examples, always the same way. @throws where the signal says stop. */
export async function measure(model: Model, store: ExampleStore, o: MeasureOptions): Promise<Measured> {
  const { name, task, batchSize, signal, names = null } = o;
  const measures = await import('@brickwork/training');
  let [loss, count] = [0, 0];
  // A loss alone is computed by graphs of fixed shapes, which every network has.
  const step = outputs[name].length ? null : await lossOf(model, o.compile);
  const predicted: number[] = [];
  const actual: number[] = [];
  const logits: number[] = [];
  // Tags text by text, where classes are tags.
  const tags = name === 'tokens' && names && measures.areTags(names) ? { predicted: [], actual: [] } : null;
  let width = 1;
  try {
    for (let first = 0; first < store.count; first += batchSize) {
      signal.throwIfAborted();
      const size = Math.min(batchSize, store.count - first);
      const examples = Array.from({ length: size }, (_, i) => store.read(first + i));
      const { batch, count: own } = task.collate(examples, random(streamSeed(0, `validation/${first}`)));
      count += own;
      if (step) {
        loss += (await step.evaluate(batch)) * own;
        o.onProgress?.(first + size);
        continue;
      }
      const result = await model.run(batch, ['loss', ...outputs[name]], { signal });
      loss += Number(result['loss']!.data[0]) * own;
      if (name === 'qa') {
        const ends = (['start', 'end'] as const).map((end) => ({
          found: largest(result[`${end}_logits`]!),
          right: numbersOf(batch[`${end}_positions`]!),
        }));
        for (let i = 0; i < size; i++) {
          predicted.push(Number(ends.every(({ found, right }) => found[i] === right[i])));
          actual.push(1);
        }
      } else if (result['logits']) {
        const labels = numbersOf(batch['labels']!);
        width = result['logits'].shape.at(-1)!;
        if (name === 'classification' || name === 'tokens') {
          const own = largest(result['logits']);
          if (tags) addTags(tags, names!, { own, labels, rows: size });
          own.forEach((p, i) => {
            if (labels[i] === -100) return;
            predicted.push(p);
            actual.push(labels[i]!);
          });
          if (name === 'classification' && o.topK !== undefined) logits.push(...numbersOf(result['logits']));
        } else {
          const values = numbersOf(result['logits']);
          predicted.push(...(name === 'multi-label' ? values.map((v) => Number(v > 0)) : values));
          actual.push(...labels);
        }
      }
      o.onProgress?.(first + size);
    }
  } finally {
    await step?.dispose();
  }
  loss /= count;
  const found = { predicted, actual, width, logits };
  switch (name) {
    case 'classification':
    case 'tokens': {
      const { scores, ...rest } = classScores(measures, found, o);
      const entities = tags && entityScores(measures, tags.predicted, tags.actual);
      return {
        scores: { loss, ...entities?.scores, ...scores },
        count,
        found,
        ...rest,
        ...(entities && { report: entities.report, reported: entities.types }),
      };
    }
    case 'multi-label': {
      const { scores, report } = markScores(measures, found);
      return { scores: { loss, ...scores }, count, found, report };
    }
    case 'regression':
      return { scores: { loss, ...numberScores(measures, found) }, count, found };
    case 'qa':
      return { scores: { loss, exact_match: measures.accuracy(predicted, actual) }, count, found };
    default:
      return { scores: { loss, perplexity: measures.perplexity(loss) }, count, found };
  }
}

// The tags of each text's words, left-out positions apart.
function addTags(
  tags: { readonly predicted: string[][]; readonly actual: string[][] },
  names: readonly string[],
  { own, labels, rows }: { readonly own: readonly number[]; readonly labels: readonly number[]; readonly rows: number },
): void {
  const T = labels.length / rows;
  for (let row = 0; row < rows; row++) {
    const at = Array.from({ length: T }, (_, t) => row * T + t).filter((i) => labels[i] !== -100);
    tags.predicted.push(at.map((i) => names[own[i]!]!));
    tags.actual.push(at.map((i) => names[labels[i]!]!));
  }
}

async function lossOf({ network, weights }: Model, compile?: CompileOptions): Promise<TrainStep<NamedBatch>> {
  const { networkStep } = await import('@brickwork/training');
  return networkStep(network, { weights, grads: new Map(), ...(compile && { compile }) });
}

const numbersOf = ({ data }: HostTensor): number[] => Array.from(data as ArrayLike<number | bigint>, Number);

/** Which of the last axis' values is the largest, for each row. */
export function largest({ data, shape }: HostTensor): number[] {
  const width = shape.at(-1)!;
  const values = data as Float32Array;
  return Array.from({ length: values.length / width }, (_, row) => {
    const own = values.subarray(row * width, (row + 1) * width);
    return own.indexOf(Math.max(...own));
  });
}
