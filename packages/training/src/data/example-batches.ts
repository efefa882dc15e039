// Batches of encoded examples: every example once an epoch, in an order that follows from the seed, those of similar
// length together if asked for. Which examples make a batch is a pure function of its number, so that a run resumes
// in the middle of an epoch.
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { random, streamSeed, type Random } from '@brickwork/nn';
import { permutation } from '../permutation.ts';
import type { Counted, ReadyData } from '../train-data.ts';
import type { EncodedExample, ExampleStore } from './example-store.ts';

/** Inputs of a network by name. */
export type NamedBatch = Readonly<Record<string, HostTensor>>;

/** How examples become batches. */
export interface ExampleBatchesOptions {
  readonly batchSize: number;
  readonly seed: number;
  /** The field whose length sorts examples into batches of similar ones; examples come as they are shuffled without. */
  readonly groupBy?: string | null;
  /** Makes one batch of examples; what is random in it is drawn from `draw`, which follows from the batch's number. */
  readonly collate: (examples: readonly EncodedExample[], draw: Random) => Counted<NamedBatch>;
  /** Held-out examples, always in the order of the store. */
  readonly validation?: ExampleStore | null;
}

// Batches sorted by length together, as in Hugging Face's trainer.
const group = 50;

/** How many batches one epoch has. */
export const batchesPerEpoch = (count: number, batchSize: number): number => Math.ceil(count / batchSize);

/** Training data of a store's examples. The last batch of an epoch may be smaller. */
export function exampleBatches(store: ExampleStore, o: ExampleBatchesOptions): ReadyData<NamedBatch> {
  const { batchSize: B, seed, groupBy = null, collate, validation = null } = o;
  if (!store.count) throw new Error('data: there are no examples to train on');
  if (!(Number.isInteger(B) && B > 0)) throw new Error(`data: batchSize is ${B}; needs a whole number above 0`);
  const perEpoch = batchesPerEpoch(store.count, B);
  let kept: { key: string; batches: readonly (readonly number[])[] } | null = null;

  // The batches of one group of an epoch: in random order, but for an epoch's last, smaller one.
  const batchesOf = (epoch: number, g: number): readonly (readonly number[])[] => {
    const key = `${epoch}/${g}`;
    if (kept?.key === key) return kept.batches;
    const order = permutation(store.count, streamSeed(seed, `examples/${epoch}`));
    const first = g * group * B;
    const indices = Array.from({ length: Math.min(group * B, store.count - first) }, (_, i) => order(first + i));
    if (groupBy !== null) {
      const lengths = new Map(indices.map((i) => [i, store.lengths(i)[groupBy] ?? 0]));
      indices.sort((a, b) => lengths.get(b)! - lengths.get(a)! || a - b);
    }
    const sorted = Array.from({ length: Math.ceil(indices.length / B) }, (_, i) => indices.slice(i * B, (i + 1) * B));
    const whole = sorted.filter((batch) => batch.length === B);
    const shuffled = whole.map((_, i) =>
      groupBy === null ? whole[i]! : whole[permutation(whole.length, streamSeed(seed, `group/${key}`))(i)]!,
    );
    kept = { key, batches: [...shuffled, ...sorted.slice(whole.length)] };
    return kept.batches;
  };
  return {
    batch(number) {
      const inEpoch = number % perEpoch;
      const batches = batchesOf(Math.floor(number / perEpoch), Math.floor(inEpoch / group));
      const examples = batches[inEpoch % group]!.map((i) => store.read(i));
      return collate(examples, random(streamSeed(seed, `collate/${number}`)));
    },
    *validation() {
      const count = validation?.count ?? 0;
      for (let first = 0; first < count; first += B) {
        const some = Array.from({ length: Math.min(B, count - first) }, (_, i) => validation!.read(first + i));
        // Always the same, so that losses can be compared.
        yield collate(some, random(streamSeed(0, `validation/${first}`)));
      }
    },
  };
}

/** How {@link padded} fills up. */
export interface PadOptions {
  /** Stands in the places left over. */
  readonly value: number;
  /** Lengths are rounded up to a multiple of this, so that few shapes need a graph of their own; 16 unless given. */
  readonly multiple?: number;
  /** Never longer than this: what the model sees. */
  readonly limit?: number;
}

/** Sequences as one int64 tensor (B, T), filled up on the right. */
export function padded(
  sequences: readonly Int32Array[],
  { value, multiple = 16, limit = Infinity }: PadOptions,
): HostTensor {
  const longest = Math.max(1, ...sequences.map((s) => s.length));
  const T = Math.max(longest, Math.min(limit, Math.ceil(longest / multiple) * multiple));
  const data = new BigInt64Array(sequences.length * T).fill(BigInt(value));
  sequences.forEach((s, row) => s.forEach((v, t) => (data[row * T + t] = BigInt(v))));
  return hostTensor(data, [sequences.length, T]);
}
