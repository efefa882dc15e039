// The memory that fine-tuning takes: that of the batch of the longest examples.
import { random } from '@brickwork/nn';
import type { Network } from '@brickwork/nn';
import type { EncodedExample, ExampleStore } from '../data/example-store.ts';
import { estimateMemory, type MemoryEstimate } from '../memory.ts';
import { traceStep, type Objective } from '../network-step.ts';
import type { Task } from '../tasks/task.ts';

/** What decides how much memory a run takes. */
export interface TuningMemoryOptions {
  readonly task: Task;
  readonly batchSize: number;
  readonly objective?: Objective;
  readonly recompute?: boolean;
  /** Names of what is trained, how many values that is, and how many arrays of as many are kept besides the weights. */
  readonly names: readonly string[];
  readonly values: number;
  readonly arrays: number;
}

// More examples than this are looked at at even distances.
const most = 20_000;

/** The examples that make the largest batch. */
export function longestExamples(store: ExampleStore, count: number, field: string): EncodedExample[] {
  const step = Math.max(1, store.count / most);
  const some = Array.from({ length: Math.min(store.count, most) }, (_, i) => Math.floor(i * step));
  const lengths = new Map(
    some.map((i) => {
      const own = store.lengths(i);
      // The longest by the task's field, then by all others.
      const all = Object.values(own).reduce((sum, n) => sum + n, 0);
      return [i, (own[field] ?? 0) * 1e6 + all] as const;
    }),
  );
  const longest = some.toSorted((a, b) => lengths.get(b)! - lengths.get(a)! || a - b);
  const found = longest.slice(0, count).map((i) => store.read(i));
  // A store smaller than the batch: as a batch of that size would be.
  return Array.from({ length: count }, (_, i) => found[i % found.length]!);
}

/** {@link estimateMemory} of a step on the longest of these examples. */
export function tuningMemory(network: Network, store: ExampleStore, o: TuningMemoryOptions): MemoryEstimate {
  if (!store.count) throw new Error('fine-tuning: there are no examples to estimate the memory of');
  const { task, batchSize, objective, recompute = false, names } = o;
  const { batch } = task.collate(longestExamples(store, batchSize, task.lengthOf), random(0));
  return estimateMemory(traceStep(network, batch, { names, recompute, ...(objective && { objective }) }), o);
}
