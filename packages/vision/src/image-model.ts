// A classifier of images as its folder holds it: the network, what its images go through, and what its classes are called.
import { AutoModel, Model, saveModel, type Config, type FromPretrainedOptions } from '@brickwork/transformer';
import type { CompileOptions, HostTensor } from '@brickwork/runtime';
import { visionArchitectures } from './architectures/index.ts';
import { ImageClassifier } from './explain/image-classifier.ts';
import { ImageProcessor } from './image-processor.ts';
import type { Pixels } from './images/pixels.ts';
import { transferred } from './train/last-hidden.ts';

/** One class of an image, and how surely. */
export interface ImageGuess {
  readonly label: string;
  readonly class: number;
  readonly probability: number;
}

/** A classifier of images, ready to name pictures. */
export class ImageModel {
  readonly model: Model;
  readonly processor: ImageProcessor;
  /** Names of the classes, by their numbers. */
  readonly classes: readonly string[];
  /** For explaining and attacking it. */
  readonly classifier: ImageClassifier;

  constructor(model: Model, processor: ImageProcessor) {
    this.model = model;
    this.processor = processor;
    this.classes = classNames(model);
    this.classifier = new ImageClassifier({
      network: model.network,
      weights: model.weights,
      compileOptions: model.compileOptions,
    });
  }

  /**
   * Opens a folder, or a model of the hub: see `AutoModel.fromPretrained` for the options and errors.
   *
   * @throws where it takes no images, or has no preprocessor_config.json and none is given.
   */
  static async fromPretrained(
    pathOrHubId: string,
    { processor, ...o }: FromPretrainedOptions & { readonly processor?: ImageProcessor } = {},
  ): Promise<ImageModel> {
    const model = await AutoModel.fromPretrained(pathOrHubId, {
      ...o,
      architectures: { ...visionArchitectures, ...o.architectures },
    });
    const own = processor ?? (await ImageProcessor.fromFolder(model.folder!, channelsOf(model)));
    return new ImageModel(model, fitted(own, model.network));
  }

  /** A network that knows nothing yet. @param config `model_type`, its sizes, and `id2label` or `num_labels` */
  static fromConfig(
    config: Config,
    processor: ImageProcessor,
    o: { readonly seed?: number; readonly compile?: CompileOptions } = {},
  ): ImageModel {
    return new ImageModel(AutoModel.fromConfig(config, { ...o, architectures: visionArchitectures }), processor);
  }

  /** The same network with other weights: those that it was trained to. */
  withWeights(weights: ReadonlyMap<string, HostTensor>): ImageModel {
    const { network, architecture, className, config, folder, compileOptions } = this.model;
    return new ImageModel(
      new Model({ network, architecture, className, config, weights, folder }, compileOptions),
      this.processor,
    );
  }

  /**
   * The same network with a new last layer for other classes: what transfer learning begins with. Where the classes are the
   * same, it stays as it is. A masked autoencoder gives its encoder, and a body alone gets a last layer.
   */
  withClasses(classes: readonly string[], { seed = 0 }: { readonly seed?: number } = {}): ImageModel {
    const { config, className, weights, compileOptions, folder } = this.model;
    const isSame = classes.length === this.classes.length && classes.every((name, i) => name === this.classes[i]);
    const kind = classifierKinds[className] ?? { class: className };
    if (isSame && kind.class === className) return this;
    const fresh = AutoModel.fromConfig(
      { ...config, ...kind.config, ...classFields(classes), problem_type: 'single_label_classification' },
      { class: kind.class, seed, compile: compileOptions, architectures: visionArchitectures },
    );
    const isHead = transferred(fresh.network, 'head');
    const prefixed = (name: string): HostTensor | undefined =>
      weights.get(name) ?? weights.get(name.slice(fresh.architecture.prefix.length));
    const taken = [...fresh.weights].map(([name, first]): [string, HostTensor] => {
      const old = isHead(name) ? undefined : prefixed(name);
      return [name, old && old.shape.join() === first.shape.join() ? old : first];
    });
    return new ImageModel(
      new Model(
        {
          network: fresh.network,
          architecture: fresh.architecture,
          className: fresh.className,
          config: fresh.config,
          weights: new Map(taken),
          folder,
          initialized: taken.filter(([name, tensor]) => tensor === fresh.weights.get(name)).map(([name]) => name),
        },
        compileOptions,
      ),
      this.processor,
    );
  }

  /**
   * Names pictures: of each the likeliest classes, most likely first.
   *
   * @param sources files, bytes or pixels
   */
  async classify(
    sources: readonly (Pixels | string | Uint8Array)[],
    { topK = 5 }: { readonly topK?: number } = {},
  ): Promise<ImageGuess[][]> {
    if (!sources.length) return [];
    const { probabilities } = await this.classifier.classify(await this.processor.process(sources));
    return probabilities.map((row) => this.guesses(row, topK));
  }

  /** The likeliest of some classes' probabilities. */
  guesses(probabilities: Float32Array, topK: number): ImageGuess[] {
    return Array.from(probabilities, (probability, c) => ({ label: this.classes[c]!, class: c, probability }))
      .toSorted((a, b) => b.probability - a.probability || a.class - b.class)
      .slice(0, topK);
  }

  /** Writes the folder that {@link ImageModel.fromPretrained} opens, as a whole or not at all. */
  async save(
    folder: string,
    { files = {} }: { readonly files?: Readonly<Record<string, string>> } = {},
  ): Promise<void> {
    const preprocessor = `${JSON.stringify(this.processor.toConfig(), null, 2)}\n`;
    await saveModel(this.model, folder, { files: { 'preprocessor_config.json': preprocessor, ...files } });
  }

  /** Frees the engine's memory. */
  dispose(): Promise<void> {
    return this.classifier.dispose();
  }
}

// The classifier whose body a class is.
const classifierKinds: Readonly<Record<string, { readonly class: string; readonly config?: Config }>> = {
  ViTModel: { class: 'ViTForImageClassification' },
  ViTMAEModel: { class: 'ViTForImageClassification', config: { model_type: 'vit' } },
  ViTMAEForPreTraining: { class: 'ViTForImageClassification', config: { model_type: 'vit' } },
  ResNetModel: { class: 'ResNetForImageClassification' },
};

// Where nothing is said of sizes and the network takes one alone, pictures are brought to it.
function fitted(processor: ImageProcessor, network: Model['network']): ImageProcessor {
  const [, , height, width] = network.inputs['pixel_values']!.shape;
  if (processor.transforms.length || typeof height !== 'number' || typeof width !== 'number') return processor;
  return new ImageProcessor({
    ...{ normalization: processor.normalization, channels: processor.channels },
    transforms: [
      height === width ? { type: 'resize', size: height } : { type: 'resize', size: [height, width] },
      { type: 'centerCrop', size: [height, width] },
    ],
  });
}

/** Channels of the images that a model takes. @throws where it takes none. */
export function channelsOf({ network, className }: Pick<Model, 'network' | 'className'>): 1 | 3 {
  const channels = network.inputs['pixel_values']?.shape[1];
  if (channels !== 1 && channels !== 3)
    throw new Error(
      `${className}: it takes ${Object.keys(network.inputs).join(', ')}; needs a network of images with 1 or 3 channels`,
    );
  return channels;
}

/** What a model's classes are called: `id2label`, or numbers. */
function classNames({ config, network }: Model): string[] {
  const count = (network.config as { readonly labels?: { readonly count: number } }).labels?.count ?? 0;
  const named = config['id2label'] as Readonly<Record<string, string>> | undefined;
  return Array.from({ length: count }, (_, i) => named?.[i] ?? `LABEL_${i}`);
}

/** The fields of a config that name classes. */
export const classFields = (classes: readonly string[]): Config => ({
  num_labels: classes.length,
  id2label: Object.fromEntries(classes.map((name, i) => [i, name])),
  label2id: Object.fromEntries(classes.map((name, i) => [name, i])),
});
