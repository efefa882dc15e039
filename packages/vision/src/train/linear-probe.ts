// How much a network that was trained without classes knows of them: one linear layer learned on its vectors, which stay as they
// are (Alain and Bengio, 2016; the protocol of SimCLR and its kin).
import { Linear, streamSeed, type Network, type NetworkInput, type Outputs } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { accuracy, permutation, trainNetwork, type NamedBatch } from '@brickwork/training';
import { classifierOutputs, classLabels, type Tensors } from '@brickwork/transformer';
import type { ImageFeatures } from './image-features.ts';

/** Vectors and their classes. */
export interface LabelledFeatures {
  readonly features: ImageFeatures;
  /** Of each row. */
  readonly labels: ArrayLike<number>;
}

/** How the layer is learned. */
export interface LinearProbeOptions {
  readonly classes: number;
  /** 100 unless given. */
  readonly epochs?: number;
  /** 256 unless given. */
  readonly batchSize?: number;
  /** AdamW's; 1e-2 unless given. */
  readonly rate?: number;
  /** 1e-4 unless given. */
  readonly weightDecay?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/** What came of it. */
export interface LinearProbeResult {
  /** Share of the held-out rows that the layer names. */
  readonly accuracy: number;
  readonly predicted: readonly number[];
  /** (classes, dimension) and (classes), of vectors that were centred and scaled by `mean` and `std`. */
  readonly weight: HostTensor;
  readonly bias: HostTensor;
  readonly mean: Float32Array;
  readonly std: Float32Array;
}

class Layer implements Network {
  readonly config = {};
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly linear: Linear;
  readonly #labels;
  constructor(dimension: number, classes: number) {
    this.#labels = { count: classes, problemType: 'single_label_classification' } as const;
    this.inputs = { features: { dtype: 'float32', shape: ['B', dimension] }, labels: classLabels(this.#labels) };
    this.linear = new Linear(dimension, classes);
  }
  trace({ features, labels }: Tensors): Outputs {
    return classifierOutputs(() => this.linear.forward(features!), labels, this.#labels);
  }
}

/**
 * Learns a linear layer on the vectors of one set, and names those of another.
 *
 * @throws where the sets differ in dimension, a set is empty, or a class isn't below `classes`.
 */
export async function linearProbe(
  train: LabelledFeatures,
  test: LabelledFeatures,
  o: LinearProbeOptions,
): Promise<LinearProbeResult> {
  const { classes, epochs = 100, rate = 1e-2, weightDecay = 1e-4, seed = 0 } = o;
  const { count, dimension: D, data } = train.features;
  if (!count || !test.features.count) throw new Error('linearProbe: there are no vectors');
  if (test.features.dimension !== D)
    throw new Error(`linearProbe: vectors of ${D} and of ${test.features.dimension} values; needs both from one layer`);
  for (const { labels, features } of [train, test])
    for (let i = 0; i < features.count; i++)
      if (!(Number.isInteger(labels[i]) && labels[i]! >= 0 && labels[i]! < classes))
        throw new Error(`linearProbe: row ${i} has class ${labels[i]}; needs whole numbers from 0 to ${classes - 1}`);
  const { mean, std } = spread(data, count, D);
  const scaled = (x: Float32Array): Float32Array => x.map((v, i) => (v - mean[i % D]!) / std[i % D]!);
  const [from, to] = [scaled(data), scaled(test.features.data)];
  const B = Math.min(o.batchSize ?? 256, count);
  const perEpoch = Math.ceil(count / B);
  const batch = (number: number): { batch: NamedBatch; count: number } => {
    const order = permutation(count, streamSeed(seed, `probe/${Math.floor(number / perEpoch)}`));
    const rows = Array.from({ length: B }, (_, k) => order(((number % perEpoch) * B + k) % count));
    const x = new Float32Array(B * D);
    rows.forEach((row, k) => x.set(from.subarray(row * D, (row + 1) * D), k * D));
    const y = BigInt64Array.from(rows, (row) => BigInt(train.labels[row]!));
    return { batch: { features: hostTensor(x, [B, D]), labels: hostTensor(y, [B]) }, count: B };
  };
  const steps = Math.max(1, Math.round(epochs * perEpoch));
  const { weights, events } = trainNetwork(
    new Layer(D, classes),
    { batch, validation: () => [] },
    { steps, rate, weightDecay, seed, evaluateEvery: steps, clip: 0, ...(o.signal && { signal: o.signal }) },
  );
  for await (const event of events) void event;
  o.signal?.throwIfAborted();
  const [weight, bias] = [weights.get('linear.weight')!, weights.get('linear.bias')!];
  const predicted = Array.from({ length: test.features.count }, (_, i) => {
    let [best, most] = [0, -Infinity];
    for (let c = 0; c < classes; c++) {
      let score = Number(bias.data[c]);
      for (let d = 0; d < D; d++) score += Number(weight.data[c * D + d]) * to[i * D + d]!;
      if (score > most) [best, most] = [c, score];
    }
    return best;
  });
  const actual = Array.from({ length: test.features.count }, (_, i) => test.labels[i]!);
  return { accuracy: accuracy(predicted, actual), predicted, weight, bias, mean, std };
}

// Means and deviations of columns; a column that never changes counts as if its deviation were 1.
function spread(data: Float32Array, count: number, D: number): { mean: Float32Array; std: Float32Array } {
  const [sum, squares] = [new Float64Array(D), new Float64Array(D)];
  for (let i = 0; i < data.length; i++) sum[i % D]! += data[i]!;
  const mean = Float32Array.from(sum, (s) => s / count);
  for (let i = 0; i < data.length; i++) squares[i % D]! += (data[i]! - mean[i % D]!) ** 2;
  return { mean, std: Float32Array.from(squares, (s) => (s > 0 ? Math.sqrt(s / count) : 1)) };
}
