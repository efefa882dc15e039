// A classifier of images trained, from nothing or from what another task taught it.
import { streamSeed, type Network } from '@brickwork/nn';
import {
  trainNetwork,
  type NamedBatch,
  type NetworkTraining,
  type TrainData,
  type TrainNetworkOptions,
} from '@brickwork/training';
import { imageBatches, type ImageBatches, type ImageBatchesOptions } from '../data/image-batches.ts';
import type { ImageSet } from '../data/image-set.ts';
import { ImageClassifier } from '../explain/image-classifier.ts';
import { adversarialBatch, type AdversarialOptions } from './adversarial.ts';
import { imageLoss } from './image-loss.ts';
import { transferred, type TransferSize } from './last-hidden.ts';

/** How a classifier is trained; see `trainNetwork` and `imageBatches` for what isn't here. */
export interface TrainClassifierOptions
  extends
    Omit<TrainNetworkOptions, 'steps' | 'trains' | 'objective'>,
    Omit<ImageBatchesOptions, 'validation' | 'views' | 'inputs'> {
  /** Times that every image is seen; needed where `steps` isn't given. */
  readonly epochs?: number;
  /** Updates, in place of epochs. */
  readonly steps?: number;
  /** How much of the network learns; `all` unless given. */
  readonly layers?: TransferSize;
  /** Share of the target that is spread over all classes; 0 unless given. */
  readonly labelSmoothing?: number;
  /** Trains on images changed against the network as it learns, too; not unless given. */
  readonly adversarial?: AdversarialOptions;
}

/** A classifier that is being trained. */
export interface ClassifierTraining extends NetworkTraining {
  readonly batches: ImageBatches;
  /** Updates that an epoch takes. */
  readonly stepsPerEpoch: number;
}

/**
 * Trains a classifier on a set of images, by cross-entropy. It is evaluated, unless told otherwise, after each epoch.
 *
 * With `optimizer: 'sgd'`, a momentum of 0.9 and `schedule: 'plateau'` it is the lecture's: the rate is halved when the
 * validation loss no longer falls.
 *
 * @throws where the set has no classes or more than the network, or an option makes no sense.
 */
export function trainClassifier(
  network: Network,
  { train, validation = null }: { readonly train: ImageSet; readonly validation?: ImageSet | null },
  o: TrainClassifierOptions,
): ClassifierTraining {
  const { epochs = NaN, layers = 'all', labelSmoothing = 0 } = o;
  if (o.steps === undefined && !(epochs > 0 && Number.isFinite(epochs)))
    throw new Error(`trainClassifier: epochs is ${epochs}; needs a number above 0`);
  if (!train.labels) throw new Error(`${train.name}: its images have no classes to learn`);
  const known = (network.config as { readonly labels?: { readonly count: number } }).labels?.count;
  if (known !== undefined && train.classes.length > known)
    throw new Error(`${train.name}: it has ${train.classes.length} classes; the network tells ${known} apart`);
  const batches = imageBatches(train, {
    ...pick(o, [
      ...(['batchSize', 'transforms', 'evaluation', 'normalization', 'channels', 'mix', 'workers', 'ahead'] as const),
      ...(['seed', 'onBroken', 'maxPixels'] as const),
    ]),
    batchSize: o.batchSize,
    validation,
  });
  const stepsPerEpoch = Math.max(1, Math.floor(batches.perEpoch / (o.accumulate ?? 1)));
  const { epochs: _, layers: __, labelSmoothing: ___, adversarial, ...rest } = o;
  // Attacks the weights that are being trained, which exist once training does.
  let victim: ImageClassifier | null = null;
  const changed: TrainData<NamedBatch> = {
    validation: () => batches.validation(),
    async close() {
      await batches.close();
      await victim?.dispose();
    },
    async batch(number) {
      const made = await batches.batch(number);
      victim ??= new ImageClassifier({
        network,
        weights: training.weights,
        ...(o.compile && { compileOptions: o.compile }),
      });
      const seed = streamSeed(o.seed ?? 0, `adversarial/${number}`);
      return adversarialBatch(made, victim, {
        ...adversarial!,
        ...(o.normalization && { normalization: o.normalization }),
        seed,
      });
    },
  };
  const training: NetworkTraining = trainNetwork(network, adversarial ? changed : batches, {
    evaluateEvery: stepsPerEpoch,
    ...omit(rest, ['transforms', 'evaluation', 'normalization', 'mix', 'onBroken', 'workers', 'ahead', 'maxPixels']),
    steps: o.steps ?? Math.max(1, Math.round(epochs * stepsPerEpoch)),
    trains: transferred(network, layers),
    objective: imageLoss({ labelSmoothing }),
    identity: { ...o.identity, ...batches.identity, labelSmoothing, ...(adversarial && { adversarial }) },
  });
  return { ...training, batches, stepsPerEpoch };
}

const pick = <T extends object, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> =>
  Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]])) as Pick<T, K>;
const omit = <T extends object, K extends keyof T>(from: T, keys: readonly K[]): Omit<T, K> =>
  Object.fromEntries(Object.entries(from).filter(([key]) => !keys.includes(key as K))) as Omit<T, K>;
