// A small language model for each class of texts: one vocabulary for all, one model trained on all texts, and a copy of it for
// each class that goes on with that class's texts alone.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { readSafetensors, type CompileOptions, type HostTensor } from '@brickwork/runtime';
import { Tokenizer, tokenizerConfig, trainTokenizer, type TokenizerJson } from '@brickwork/tokenizer';
import { AutoModel, Model } from '@brickwork/transformer';
import { readMetrics } from '../metrics.ts';
import { pretrain, type PretrainOptions } from '../pretrain.ts';
import { runFiles } from '../run-folder.ts';
import type { TokenData } from '../token-data.ts';
import { memoryTokens } from '../token-source.ts';
import type { HeldOut } from './passages.ts';

/** How the models of classes are made. */
export interface ClassModelOptions {
  /** `bpe`: byte-level BPE, which reads any text; `char`: characters. `bpe` unless given. */
  readonly tokenizer?: 'bpe' | 'char';
  /** Tokens of a BPE vocabulary; 2048 unless given. A small text gives fewer. */
  readonly vocabularySize?: number;
  /** Of each model: 3 layers, 4 heads, width 128, windows of 128 tokens, dropout 0.1 unless given. */
  readonly layers?: number;
  readonly heads?: number;
  readonly width?: number;
  readonly context?: number;
  readonly dropout?: number;
  /** Most steps on the texts of all classes together, which all models begin with; 600 unless given, 0 for none. */
  readonly baseSteps?: number;
  /** Most steps on the texts of each class; 300 unless given. */
  readonly steps?: number;
  /** Windows of a batch; 16 unless given. */
  readonly batchSize?: number;
  /** Step size at its highest, on all texts; 3e-3 unless given. */
  readonly rate?: number;
  /** Step size at its highest, on each class's; 1e-3 unless given, without a base that of all texts. */
  readonly classRate?: number;
  /** Steps between evaluations; 50 unless given. Training ends after the third that is no better than the best. */
  readonly evaluateEvery?: number;
  readonly seed?: number;
  /** Goes on from what is in the run's folder; false unless given. */
  readonly resume?: boolean;
  readonly signal?: AbortSignal;
  readonly compile?: CompileOptions;
  readonly onProgress?: (progress: ClassModelProgress) => void;
}

/** How far training is. */
export interface ClassModelProgress {
  /** What is trained: the vocabulary, the model of all texts, or the model of a class; or passages that are scored. */
  readonly stage: 'tokenizer' | 'base' | 'class' | 'calibration';
  /** The class. */
  readonly label?: string;
  readonly step: number;
  readonly steps: number;
  /** The last step's loss, in nats a token. */
  readonly loss?: number;
  /** Mean loss of what is held out, in nats a token; told after evaluations. */
  readonly validation?: number;
}

/** Models that share a tokenizer. */
export interface ClassModels {
  readonly tokenizer: Tokenizer;
  /** The tokenizer's files by name, as a model's folder has them. */
  readonly files: Readonly<Record<string, string>>;
  readonly models: ReadonlyMap<string, Model>;
  /** Of each class, the lowest mean loss of what is held out, in nats a token, and the step that had it. */
  readonly best: ReadonlyMap<string, { readonly loss: number; readonly step: number } | null>;
}

/**
 * Trains them. Runs are kept in `run`, a folder for each: what is interrupted goes on with `resume` where it was.
 *
 * @throws the signal's reason; where a class's text is shorter than a window; for the reasons of {@link pretrain}.
 */
export async function trainClassModels(
  texts: ReadonlyMap<string, HeldOut>,
  run: string,
  o: ClassModelOptions = {},
): Promise<ClassModels> {
  const { baseSteps = 600, steps = 300, rate = 3e-3, classRate = baseSteps ? 1e-3 : rate, signal } = o;
  signal?.throwIfAborted();
  const json = await learnTokenizer(texts, o);
  const files = {
    'tokenizer.json': `${JSON.stringify(json)}\n`,
    'tokenizer_config.json': `${JSON.stringify(tokenizerConfig(json))}\n`,
  };
  const tokenizer = new Tokenizer(json, tokenizerConfig(json));
  const config = configOf(tokenizer, o);
  const data = new Map([...texts].map(([label, parts]) => [label, tokenData([parts], tokenizer)]));
  const { context = 128 } = o;
  for (const [label, { train }] of data)
    if (train.length <= context)
      throw new Error(
        `class ${label}: ${train.length} tokens to train on, but a window needs ${context + 1}; give more text, or a shorter context`,
      );
  const stage = (about: Stage): Promise<Trained> => trainStage(about, { config, files, o });
  const base = baseSteps
    ? await stage({
        stage: 'base',
        folder: join(run, 'base'),
        data: tokenData([...texts.values()], tokenizer),
        steps: baseSteps,
        rate,
        weights: null,
      })
    : null;
  const models = new Map<string, Model>();
  const best = new Map<string, { loss: number; step: number } | null>();
  for (const [label, own] of data) {
    const folder = join(run, `class-${models.size}`);
    const weights = base?.weights ?? null;
    const trained = await stage({ stage: 'class', label, folder, data: own, steps, rate: classRate, weights });
    const { network, architecture, className } = AutoModel.fromConfig(config);
    models.set(label, new Model({ network, architecture, className, config, weights: trained.weights }, o.compile));
    best.set(label, trained.best);
  }
  return { tokenizer, files, models, best };
}

async function learnTokenizer(texts: ReadonlyMap<string, HeldOut>, o: ClassModelOptions): Promise<TokenizerJson> {
  const { tokenizer: type = 'bpe', vocabularySize = 2048, signal, onProgress } = o;
  const all = [...texts.values()].flatMap(({ train }) => train);
  onProgress?.({ stage: 'tokenizer', step: 0, steps: 1 });
  // Characters that training lacks are one token, as texts to be judged may have any.
  const special = type === 'char' ? { specialTokens: [end, '<unk>'] } : { vocabularySize, specialTokens: [end] };
  return trainTokenizer(
    // Words of two texts don't join.
    all.map((text) => `${text}\n`),
    { type, ...special, ...(signal && { signal }) },
  );
}

const end = '<|endoftext|>';

function configOf(tokenizer: Tokenizer, o: ClassModelOptions): Record<string, unknown> {
  const { layers = 3, heads = 4, width = 128, context = 128, dropout = 0.1 } = o;
  const id = tokenizer.tokenToId(end)!;
  return {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    activation_function: 'gelu_new',
    vocab_size: tokenizer.vocabularySize,
    n_positions: context,
    n_embd: width,
    n_layer: layers,
    n_head: heads,
    n_inner: null,
    embd_pdrop: dropout,
    resid_pdrop: dropout,
    attn_pdrop: 0,
    layer_norm_epsilon: 1e-5,
    initializer_range: 0.02,
    tie_word_embeddings: true,
    bos_token_id: id,
    eos_token_id: id,
    torch_dtype: 'float32',
  };
}

// Evaluating more tokens takes long, and says when to stop no better.
const mostHeld = 2 ** 15;

// Every text begins after the end of another, as it will when it is scored.
function tokenData(classes: readonly HeldOut[], tokenizer: Tokenizer): TokenData {
  const id = tokenizer.tokenToId(end)!;
  const ids = (texts: readonly string[]): number[] => {
    const all: number[] = [];
    for (const text of texts) {
      all.push(id);
      for (const one of tokenizer.encode(text, { addSpecialTokens: false }).ids) all.push(one);
    }
    if (texts.length) all.push(id);
    return all;
  };
  const train = ids(classes.flatMap((c) => c.train));
  // As much of each class, however long its text is.
  const held = classes.map((c) => ids(c.held));
  const validation = held.flatMap((own) => own.slice(0, Math.ceil(mostHeld / classes.length)));
  const hash = createHash('sha256').update(Int32Array.from(train)).update('/').update(Int32Array.from(validation));
  const characters = classes.flatMap((c) => c.held).reduce((sum, text) => sum + text.length, 0);
  return {
    train: memoryTokens(train),
    validation: memoryTokens(validation),
    charactersPerToken: validation.length ? characters / held.flat().length : 1,
    fingerprint: hash.digest('hex'),
  };
}

interface Stage {
  readonly stage: 'base' | 'class';
  readonly label?: string;
  readonly folder: string;
  readonly data: TokenData;
  readonly steps: number;
  readonly rate: number;
  readonly weights: ReadonlyMap<string, HostTensor> | null;
}

interface Trained {
  readonly weights: ReadonlyMap<string, HostTensor>;
  readonly best: { readonly loss: number; readonly step: number } | null;
}

// Trains one model, or goes on with it; gives the weights with the lowest held-out loss, or the last where none is held out.
async function trainStage(
  { stage, label, folder, data, steps, rate, weights }: Stage,
  { config, files, o }: { readonly config: object; readonly files: object; readonly o: ClassModelOptions },
): Promise<Trained> {
  const { batchSize = 16, evaluateEvery = 50, seed = 0, resume = false, signal, compile, onProgress } = o;
  const model = AutoModel.fromConfig(config as Record<string, unknown>).causalLM;
  const isHeld = data.validation.length > 1;
  const options: PretrainOptions = {
    steps,
    batchSize,
    rate,
    warmup: Math.min(Math.ceil(steps / 10), 50),
    evaluateEvery,
    earlyStopping: 3,
    seed,
    folder,
    resume,
    keepBest: true,
    picture: false,
    measurePeak: false,
    identity: { config, tokenizer: createHash('sha256').update(JSON.stringify(files)).digest('hex') },
    ...(weights && { weights }),
    ...(signal && { signal }),
    ...(compile && { compile }),
  };
  const about = { stage, ...(label !== undefined && { label }), steps };
  for await (const event of pretrain(model, data, options)) {
    if (event.type === 'step') onProgress?.({ ...about, step: event.step, loss: event.loss });
    else if (event.type === 'evaluation') onProgress?.({ ...about, step: event.step, validation: event.loss });
    else if (event.type === 'end' && event.aborted) {
      signal?.throwIfAborted();
      throw new Error(`${folder}: training ended after ${event.step} of ${steps} steps`);
    }
  }
  const prefix = 'weights/';
  const { tensors, metadata } = isHeld
    ? await readSafetensors(join(folder, runFiles.best))
    : await readSafetensors(join(folder, runFiles.state), { names: (name) => name.startsWith(prefix) });
  const own = new Map([...tensors].map(([name, t]) => [isHeld ? name : name.slice(prefix.length), t]));
  return { weights: own, best: isHeld ? await lowest(folder, Number(metadata['step'])) : null };
}

async function lowest(folder: string, step: number): Promise<{ loss: number; step: number } | null> {
  for (const entry of await readMetrics(join(folder, runFiles.metrics)))
    if ('validation' in entry && entry.step === step) return { loss: entry.validation, step };
  return null;
}
