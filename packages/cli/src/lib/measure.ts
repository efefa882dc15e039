// How well a model does on held-out examples: its loss, and what the task is judged by.
import { random, streamSeed } from '@brickwork/nn';
import type { CompileOptions, HostTensor } from '@brickwork/runtime';
import type { ExampleStore, NamedBatch, Task, TrainStep } from '@brickwork/training';
import type { Model } from '@brickwork/transformer';
import { classScores, markScores, numberScores, type Scores } from './scores.ts';
import type { TaskName } from './task-names.ts';

/** What is measured. */
export interface MeasureOptions {
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

/** Measures a model on a store's examples, always the same way. @throws where the signal says stop. */
export async function measure(model: Model, store: ExampleStore, o: MeasureOptions): Promise<Scores> {
  const { name, task, batchSize, signal } = o;
  let [loss, count] = [0, 0];
  // A loss alone is computed by graphs of fixed shapes, which every network has.
  const step = outputs[name].length ? null : await lossOf(model, o.compile);
  const predicted: number[] = [];
  const actual: number[] = [];
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
        const { logits } = result;
        const labels = numbersOf(batch['labels']!);
        width = logits.shape.at(-1)!;
        if (name === 'classification' || name === 'tokens') {
          largest(logits).forEach((p, i) => {
            if (labels[i] === -100) return;
            predicted.push(p);
            actual.push(labels[i]!);
          });
        } else {
          const values = numbersOf(logits);
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
  switch (name) {
    case 'classification':
    case 'tokens':
      return { loss, ...classScores(predicted, actual, width) };
    case 'multi-label':
      return { loss, ...markScores(predicted, actual, width) };
    case 'regression':
      return { loss, ...numberScores(predicted, actual) };
    case 'qa':
      return { loss, exact_match: predicted.reduce((a, b) => a + b, 0) / predicted.length };
    default:
      return { loss, perplexity: Math.exp(loss) };
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
