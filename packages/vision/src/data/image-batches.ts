// Batches of images for the training loop, made ready in other threads ahead of the step that needs them.
import { availableParallelism } from 'node:os';
import { random, streamSeed, type Random } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { permutation, type Counted, type NamedBatch, type TrainData } from '@brickwork/training';
import { checkNormalization, type Normalization } from '../images/normalize.ts';
import { checkMix, mixBatch, type MixOptions } from '../transforms/mixup.ts';
import { checkTransforms, type Transform } from '../transforms/transform.ts';
import { ImageCrew } from './image-crew.ts';
import type { ImageSet } from './image-set.ts';
import { inOrder } from './in-order.ts';
import { imageSeed, type ImageAnswer, type Preparation } from './read-image.ts';

/** How images become batches. */
export interface ImageBatchesOptions {
  readonly batchSize: number;
  /** Applied to images to learn from, each time with other random numbers; none unless given. */
  readonly transforms?: readonly Transform[];
  /** Applied to images to evaluate on: resizing and the middle, mostly; those of `transforms` never are. */
  readonly evaluation?: readonly Transform[];
  /** Values from 0 to 1 as they are unless given. */
  readonly normalization?: Normalization;
  /** 3 unless given. */
  readonly channels?: 1 | 3;
  /** Images to evaluate on; none unless given. */
  readonly validation?: ImageSet | null;
  /** Mixes the images of a batch, and their labels; not unless given. */
  readonly mix?: MixOptions;
  /** Versions of each image in a batch, one after the other: (views · B, C, H, W); 1 unless given. Labels come once. */
  readonly views?: number;
  /** Threads that read and transform; one less than there are cores, 4 at most, unless given; 0 is none. */
  readonly workers?: number;
  /** Batches that are made ready ahead of the one asked for; 4 unless given. */
  readonly ahead?: number;
  /** Decides orders and transforms; 0 unless given. */
  readonly seed?: number;
  /** What else a batch has, by the numbers of its images: texts, say, or noise. */
  readonly inputs?: (indices: readonly number[], draw: Random) => NamedBatch;
  /**
   * Called with each broken image, which is then left out: the next whole one of the set stands in its place in training.
   * Without it a broken image ends the training with an error that names it.
   */
  readonly onBroken?: (message: string) => void;
  /** Pictures of more pixels are refused; 2^26 unless given. */
  readonly maxPixels?: number;
}

/** Batches of images. Training closes them; who asks for batches otherwise does it to end their threads. */
export interface ImageBatches extends TrainData<NamedBatch> {
  /** Batches in which every image comes once. */
  readonly perEpoch: number;
  /** What resumed runs must have in common. */
  readonly identity: Readonly<Record<string, unknown>>;
  batch(number: number): Promise<Counted<NamedBatch>>;
  validation(): AsyncIterable<Counted<NamedBatch>>;
  /** Milliseconds that were spent waiting for batches, and how many were asked for. */
  readonly waited: { readonly ms: number; readonly batches: number };
  close(): Promise<void>;
}

const whole = (name: string, value: number, least: number): number => {
  if (!(Number.isSafeInteger(value) && value >= least))
    throw new Error(`imageBatches: ${name} is ${value}; needs a whole number from ${least}`);
  return value;
};

/**
 * Batches of `pixel_values` (B, C, H, W) and, where the set has classes, `labels` (B). Every image comes once an epoch, in an
 * order that follows from the seed; a batch is a function of its number alone, whoever makes it ready and in however many
 * threads. The last batch of an epoch is filled up with images from its beginning, so that all are of one shape.
 *
 * @throws where an option makes no sense; a batch's promise, where an image is broken or of another size than the others.
 */
export function imageBatches(set: ImageSet, o: ImageBatchesOptions): ImageBatches {
  const { transforms = [], evaluation = [], normalization = {}, channels = 3, validation = null } = o;
  const { seed = 0 } = o;
  // Each of them once, however often it is met.
  const told = new Set<string>();
  const onBroken =
    o.onBroken &&
    ((message: string): void => {
      if (!told.has(message)) o.onBroken!(message);
      told.add(message);
    });
  const B = whole('batchSize', o.batchSize, 1);
  const views = whole('views', o.views ?? 1, 1);
  const ahead = whole('ahead', o.ahead ?? 4, 0);
  const workers = whole('workers', o.workers ?? Math.max(1, Math.min(4, availableParallelism() - 1)), 0);
  checkTransforms(transforms);
  checkTransforms(evaluation);
  checkNormalization(normalization, channels);
  if (o.mix) checkMix(o.mix);
  if (o.mix && views > 1) throw new Error('imageBatches: images are mixed, or come in several views; not both');
  if (!set.count) throw new Error(`${set.name}: there are no images to train on`);
  const base = { normalization, channels, ...(o.maxPixels !== undefined && { maxPixels: o.maxPixels }) };
  const perEpoch = Math.ceil(set.count / B);
  let crew: ImageCrew | null = null;
  let evaluating: ImageCrew | null = null;
  const open = (from: ImageSet, preparation: Preparation): ImageCrew => new ImageCrew(from, preparation, workers);
  const ready = new Map<number, Promise<Counted<NamedBatch>>>();
  const waited = { ms: 0, batches: 0 };
  let order: { readonly epoch: number; readonly of: (i: number) => number } | null = null;
  const orderOf = (epoch: number): ((i: number) => number) => {
    if (order?.epoch !== epoch) order = { epoch, of: permutation(set.count, streamSeed(seed, `images/${epoch}`)) };
    return order.of;
  };

  const make = async (number: number): Promise<Counted<NamedBatch>> => {
    const epoch = Math.floor(number / perEpoch);
    const of = orderOf(epoch);
    const first = (number % perEpoch) * B;
    const indices = Array.from({ length: B }, (_, k) => of((first + k) % set.count));
    crew ??= open(set, { ...base, transforms });
    const wanted = Array.from({ length: views }, () => indices).flat();
    const seeds = wanted.map((i, k) => imageSeed(seed, epoch, i, Math.floor(k / B)));
    const answer = await crew.prepare({ indices: wanted, seeds });
    const { images, used } = await replaceBroken(set, crew, { wanted, seeds, answer, onBroken });
    const draw = random(streamSeed(seed, `batch/${number}`));
    const batch = { ...named(set, images, used.slice(0, B)), ...o.inputs?.(used.slice(0, B), draw) };
    return { batch: o.mix ? mixBatch(batch, o.mix, draw) : batch, count: B };
  };
  const ask = (number: number): Promise<Counted<NamedBatch>> => {
    let one = ready.get(number);
    if (!one) {
      one = make(number);
      one.catch(() => {}); // who asks for it hears of it
      ready.set(number, one);
    }
    return one;
  };
  return {
    perEpoch,
    waited,
    identity: {
      images: set.name,
      count: set.count,
      batchSize: B,
      transforms,
      evaluation,
      channels,
      views,
      ...(normalization.mean && { mean: normalization.mean }),
      ...(normalization.std && { std: normalization.std }),
      ...(o.mix && { mix: o.mix }),
    },
    async batch(number) {
      const began = performance.now();
      const wanted = ask(number);
      for (let i = 1; i <= ahead && workers; i++) void ask(number + i);
      for (const old of ready.keys()) if (old < number || old > number + ahead) ready.delete(old);
      const found = await wanted;
      ready.delete(number);
      waited.ms += performance.now() - began;
      waited.batches++;
      return found;
    },
    async *validation() {
      if (!validation) return;
      evaluating ??= open(validation, { ...base, transforms: evaluation });
      for await (const { images, indices } of inOrder(validation, evaluating, { batchSize: B, ahead, onBroken }))
        yield {
          batch: { ...named(validation, images, indices), ...o.inputs?.(indices, random(0)) },
          count: indices.length,
        };
    },
    async close() {
      ready.clear();
      await crew?.close();
      await evaluating?.close();
      crew = null;
      evaluating = null;
    },
  };
}

function named(set: ImageSet, images: HostTensor, indices: readonly number[]): NamedBatch {
  const { labels } = set;
  if (!labels) return { pixel_values: images };
  const own = BigInt64Array.from(indices, (i) => BigInt(labels[i]!));
  return { pixel_values: images, labels: hostTensor(own, [indices.length]) };
}

// The next image of the set that isn't broken stands in for one that is.
async function replaceBroken(
  set: ImageSet,
  crew: ImageCrew,
  {
    wanted,
    seeds,
    answer,
    onBroken,
  }: {
    readonly wanted: readonly number[];
    readonly seeds: readonly number[];
    readonly answer: ImageAnswer;
    readonly onBroken: ((message: string) => void) | undefined;
  },
): Promise<{ images: HostTensor; used: number[] }> {
  const used = [...wanted];
  let { values, shape } = answer;
  for (const { at, message } of answer.broken) {
    if (!onBroken) throw new Error(message);
    onBroken(message);
    for (let tries = 1; ; tries++) {
      if (tries >= set.count) throw new Error(`${set.name}: none of its ${set.count} images can be read`);
      used[at] = (used[at]! + 1) % set.count;
      const other = await crew.prepare({ indices: [used[at]], seeds: [seeds[at]!] });
      if (other.broken.length) continue;
      shape ??= other.shape;
      const size = other.values.length;
      if (!values.length) values = new Float32Array(size * wanted.length);
      if (values.length !== size * wanted.length)
        throw new Error(`${set.name}: images of a batch differ in size; add a transform that resizes or crops`);
      values.set(other.values, at * size);
      break;
    }
  }
  return { images: hostTensor(values, [wanted.length, ...shape!]), used };
}
