// Opens models by folder or by name on the hub, with the class that was saved or another of its architecture.
import { initialize, parameters } from '@brickwork/nn';
import { loadCheckpoint, resolveModel, type DownloadOptions } from '@brickwork/runtime';
import { loadTokenizer, type Tokenizer } from '@brickwork/tokenizer';
import { buildNetwork, type Architecture, type BuiltNetwork, type Config } from './architecture.ts';
import { architectures } from './architectures/index.ts';
import { Model, type ModelOptions } from './model.ts';
import { WeightFitter, type FitOptions } from './weights.ts';

/** How far opening a model is. */
export interface LoadProgress {
  /** Whether bytes come from the hub or from the disk. */
  readonly stage: 'download' | 'read';
  /** The file that is downloaded, or the folder that is read. */
  readonly file: string;
  /** Bytes so far. */
  readonly loaded: number;
  /** Bytes in all. */
  readonly total: number;
}

/** Which model to open, and how. */
export interface FromPretrainedOptions
  extends Omit<DownloadOptions, 'parts' | 'onProgress'>, Pick<FitOptions, 'missing' | 'seed'> {
  /** Hugging Face's name of a class of the architecture (`BertForSequenceClassification`); the one that was saved unless given. */
  readonly class?: string;
  /** Fields that take the place of config.json's: `{ num_labels: 3 }`. */
  readonly config?: Config;
  /** More architectures by `model_type`, such as `visionArchitectures` of @brickwork/vision. */
  readonly architectures?: Readonly<Record<string, Architecture>>;
  readonly onProgress?: (progress: LoadProgress) => void;
  /** How the engine runs it. */
  readonly compile?: ModelOptions;
}

const known = ['revision', 'offline', 'cacheDir', 'token', 'signal', 'missing', 'seed'];
known.push('class', 'config', 'architectures', 'onProgress', 'compile');

/** Makes models. */
export const AutoModel = {
  /**
   * Opens a model: a folder in the Hugging Face layout, or `org/name` on the hub, which is downloaded into Hugging Face's
   * cache unless it is there. Weights are read straight into their memory; float16 and bfloat16 become float32.
   *
   * A checkpoint of one class can be opened as another of its architecture: what the class has no place for is left out
   * (`model.unused`), and a head that the checkpoint lacks begins anew with `missing: 'initialize'` (`model.initialized`).
   *
   * @throws where there is no such model, a file is missing or broken, the architecture or class isn't known, the config
   *   asks for what isn't implemented, or the weights contradict the config.
   */
  async fromPretrained(pathOrHubId: string, options: FromPretrainedOptions = {}): Promise<Model> {
    for (const name of Object.keys(options))
      if (!known.includes(name)) throw new Error(`fromPretrained: no option ${name}; there are ${known.join(', ')}`);
    const { class: className, config: overrides = {}, missing = 'error', seed = 0, onProgress, compile } = options;
    if (missing !== 'error' && missing !== 'initialize')
      throw new Error(
        `fromPretrained: missing is ${JSON.stringify(missing)}; needs 'error' or 'initialize' (what to do about weights that the checkpoint lacks)`,
      );
    const folder = await resolve(pathOrHubId, options, onProgress);
    let chosen!: Plan;
    const { generationConfig, tensors } = await loadCheckpoint(folder, {
      choose: (read) => {
        chosen = plan(read, overrides, { className, known: { ...architectures, ...options.architectures } });
        return (name) => chosen.fitter.wants(name);
      },
      ...(options.signal && { signal: options.signal }),
      ...(onProgress && {
        onProgress: (loaded, total) => onProgress({ stage: 'read', file: folder, loaded, total }),
      }),
    });
    const { built, config, fitter, savedAs } = chosen;
    const { substitutes } = fitter;
    if (substitutes.length) {
      const more = await loadCheckpoint(folder, {
        choose: () => (name) => substitutes.includes(name),
        ...(options.signal && { signal: options.signal }),
      });
      for (const [name, tensor] of more.tensors) tensors.set(name, tensor);
    }
    const { weights, unused, initialized } = fitter.fit(tensors, { missing, seed, savedAs });
    return new Model(
      { ...built, weights, config, generationConfig: generationConfig ?? {}, folder, unused, initialized },
      compile,
    );
  },

  /**
   * A model that knows nothing yet: the class that a config describes, with first values.
   *
   * @param config what a config.json holds: `model_type` and its sizes.
   */
  fromConfig(
    config: Config,
    {
      class: className,
      seed = 0,
      compile,
      architectures: more,
    }: Pick<FromPretrainedOptions, 'class' | 'seed' | 'compile' | 'architectures'> = {},
  ): Model {
    const built = buildNetwork(config, { ...architectures, ...more }, className);
    const weights = initialize(built.network, seed);
    return new Model({ ...built, weights, config, initialized: [...weights.keys()] }, compile);
  },
};

/** Makes tokenizers. */
export const AutoTokenizer = {
  /**
   * Opens the tokenizer of a model: a folder, or `org/name` on the hub, of which only the tokenizer's files are downloaded.
   *
   * @throws where there is no such model, or its tokenizer can't be read.
   */
  async fromPretrained(
    pathOrHubId: string,
    options: Omit<DownloadOptions, 'parts' | 'onProgress'> & Pick<FromPretrainedOptions, 'onProgress'> = {},
  ): Promise<Tokenizer> {
    return loadTokenizer(await resolve(pathOrHubId, options, options.onProgress, ['tokenizer']));
  },
};

/** As {@link AutoModel.fromPretrained} with the class that was saved. */
export function loadModel(
  pathOrHubId: string,
  {
    signal,
    onProgress,
  }: { readonly signal?: AbortSignal; readonly onProgress?: (done: number, total: number) => void } = {},
): Promise<Model> {
  return AutoModel.fromPretrained(pathOrHubId, {
    ...(signal && { signal }),
    ...(onProgress && { onProgress: ({ loaded, total }) => onProgress(loaded, total) }),
  });
}

function resolve(
  pathOrHubId: string,
  { revision, offline, cacheDir, token, signal }: Omit<DownloadOptions, 'onProgress'>,
  onProgress?: (progress: LoadProgress) => void,
  parts?: NonNullable<DownloadOptions['parts']>,
): Promise<string> {
  signal?.throwIfAborted();
  return resolveModel(pathOrHubId, {
    ...(revision !== undefined && { revision }),
    ...(offline !== undefined && { offline }),
    ...(cacheDir !== undefined && { cacheDir }),
    ...(token !== undefined && { token }),
    ...(signal && { signal }),
    ...(parts && { parts }),
    ...(onProgress && { onProgress: (progress) => onProgress({ stage: 'download', ...progress }) }),
  });
}

interface Plan {
  readonly built: BuiltNetwork;
  readonly config: Config;
  readonly fitter: WeightFitter;
  /** The class that was saved. */
  readonly savedAs: string | undefined;
}

// What is known once config.json is read: the network, and which of the checkpoint's tensors it wants.
function plan(
  read: Config,
  overrides: Config,
  {
    className,
    known: all,
  }: { readonly className: string | undefined; readonly known: Readonly<Record<string, Architecture>> },
): Plan {
  const config: Record<string, unknown> = { ...read, ...overrides };
  const labels = overrides['num_labels'];
  // Names of the old labels say nothing of another number of them.
  if (typeof labels === 'number' && !('id2label' in overrides)) {
    const named = read['id2label'];
    if (typeof named === 'object' && named !== null && Object.keys(named).length !== labels) {
      const names = Array.from({ length: labels }, (_, i) => `LABEL_${i}`);
      config['id2label'] = Object.fromEntries(names.map((name, i) => [i, name]));
      config['label2id'] = Object.fromEntries(names.map((name, i) => [name, i]));
    }
  }
  const built = buildNetwork(config, all, className);
  const saved: unknown = Array.isArray(read['architectures']) ? read['architectures'][0] : undefined;
  const savedAs = typeof saved === 'string' ? saved : undefined;
  return { built, config, fitter: new WeightFitter(built, parameters(built.network)), savedAs };
}
