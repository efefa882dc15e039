// Word vectors from text: skip-gram and continuous bag of words with negative sampling (Mikolov et al., 2013), and GloVe
// (Pennington et al., 2014), in threads that share their memory.
import { Worker } from 'node:worker_threads';
import { setTimeout as wait } from 'node:timers/promises';
import { random, streamSeed } from '@brickwork/nn';
import { moduleUrl } from '@brickwork/runtime';
import { WebAssembly } from '@brickwork/training';
import { coOccurrences } from './co-occurrences.ts';
import type { WordCorpus } from './word-corpus.ts';
import { sigmoidCells, sigmoidTable, wordModule } from './word-kernels.ts';
import type { WordJob, WordLayout, WordTask } from './word-thread.ts';
import { WordVectors } from './word-vectors.ts';

/** How vectors are trained. */
export interface TrainWordsOptions {
  /** `skipgram` unless given. */
  readonly method?: 'skipgram' | 'cbow' | 'glove';
  /** 100 unless given. */
  readonly dimension?: number;
  /** Words to each side at most, a random number of them at each place (for GloVe all, by one over their distance); 5, GloVe 10. */
  readonly window?: number;
  /** Words drawn against each that stands there; 5 unless given. */
  readonly negatives?: number;
  /** How much more often frequent words are drawn: by their counts to this power; 0.75 unless given. */
  readonly negativePower?: number;
  /** Words with a larger share of the text are left out now and then; 1e-3 unless given, 0 keeps all. */
  readonly subsample?: number;
  /** 5, GloVe 15, unless given. */
  readonly epochs?: number;
  /** The first step size, which falls to nearly nothing; 0.025, cbow 0.05, unless given. GloVe's stays, 0.05. */
  readonly rate?: number;
  /** GloVe: pairs that stand together as often count fully, 100; rarer ones by their share to the power `alpha`, 0.75. */
  readonly xMax?: number;
  readonly alpha?: number;
  /** The same seed gives the same vectors with one thread. 1 unless given. */
  readonly seed?: number;
  /** 1 unless given. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** Goes on from there; made by the same options and corpus. */
  readonly state?: WordTrainingState;
}

/** What is known between two epochs. */
export interface WordTrainingState {
  readonly epoch: number;
  /** All tables one after another. */
  readonly tables: Float32Array;
}

/** What happens. */
export type WordTrainingEvent =
  | {
      readonly type: 'progress';
      readonly epoch: number;
      readonly epochs: number;
      /** Words (GloVe: pairs) so far, of how many. */
      readonly done: number;
      readonly total: number;
      /** Of this epoch so far, the mean of -ln p of a place's samples together, or GloVe's weighted squared error; NaN before the first. */
      readonly loss: number;
      readonly perSecond: number;
    }
  /** An epoch is over; `state()` copies what {@link TrainWordsOptions.state} needs. */
  | { readonly type: 'epoch'; readonly epoch: number; readonly loss: number; state(): WordTrainingState }
  | { readonly type: 'done'; readonly vectors: WordVectors };

const known = ['method', 'dimension', 'window', 'negatives', 'negativePower', 'subsample', 'epochs', 'rate', 'xMax'];
known.push('alpha', 'seed', 'threads', 'signal', 'state');

/**
 * Trains vectors of a corpus' words. The last event has them; for GloVe they are the sum of a word's two vectors.
 *
 * @throws where an option isn't known or makes no sense, or the tables would need 4 GiB; or the signal's reason.
 */
export async function* trainWordVectors(
  corpus: WordCorpus,
  o: TrainWordsOptions = {},
): AsyncGenerator<WordTrainingEvent, void, undefined> {
  const { seed = 1, threads = 1, signal, state } = o;
  const settings = check(o);
  const { method, dimension, epochs } = settings;
  const V = corpus.words.length;
  signal?.throwIfAborted();
  const pairs =
    method === 'glove'
      ? coOccurrences(corpus, {
          window: settings.window,
          draw: streamOf(seed, 'pairs'),
          ...(signal && { signal }),
        })
      : null;
  const perEpoch = pairs ? pairs.rows.length : corpus.total;
  const layout = layoutOf(V, { ...settings, threads });
  const pages = Math.ceil(layout.end / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const buffer = memory.buffer as unknown as SharedArrayBuffer;
  const tables = new Float32Array(buffer, 0, layout.sigmoid / 4);
  new Float32Array(buffer, layout.sigmoid).set(sigmoidTable());
  if (state) {
    if (state.tables.length !== tables.length)
      throw new Error(
        `trainWordVectors: the state has ${state.tables.length} values; these options need ${tables.length}`,
      );
    tables.set(state.tables);
  } else begin(tables, layout, { V, dimension, seed, isGlove: method === 'glove' });
  const none = new Int32Array(new SharedArrayBuffer(0));
  const job: WordJob = {
    ...settings,
    sigmoid: sigmoidCells,
    module: wordModule(),
    memory: memory as unknown as WordJob['memory'],
    layout,
    threads,
    vocabulary: V,
    total: perEpoch * epochs,
    ids: pairs ? none : corpus.ids,
    keep: keepShares(corpus, settings.subsample),
    draws: pairs ? none : drawn(corpus.counts, settings.negativePower),
    rows: pairs?.rows ?? none,
    columns: pairs?.columns ?? none,
    together: pairs?.counts ?? new Float32Array(new SharedArrayBuffer(0)),
    progress: new Float64Array(new SharedArrayBuffer(8 * 3 * threads)),
    stop: new Int32Array(new SharedArrayBuffer(4)),
  };
  const first = state?.epoch ?? 0;
  job.progress[0] = first * perEpoch;
  const crew = new Crew(job);
  const began = performance.now();
  const doneBefore = first * perEpoch;
  let told = began;
  const progress = (epoch: number): WordTrainingEvent => {
    told = performance.now();
    const done = sumOf(job.progress, 0);
    const perSecond = ((done - doneBefore) / (told - began)) * 1000;
    return { type: 'progress', epoch, epochs, done, total: job.total, loss: lossOf(job.progress), perSecond };
  };
  try {
    for (let epoch = first; epoch < epochs; epoch++) {
      const running = crew.run((thread) => streamSeed(seed, `epoch ${epoch} thread ${thread}`));
      let isOver = false;
      const over = running.finally(() => (isOver = true));
      over.catch(() => {});
      while (!isOver) {
        await Promise.race([over, wait(200, undefined, signal ? { signal } : {}).catch(() => {})]);
        signal?.throwIfAborted();
        if (!isOver && performance.now() - told >= 200) yield progress(epoch);
      }
      await over;
      signal?.throwIfAborted();
      if (performance.now() - told >= 200) yield progress(epoch);
      const loss = lossOf(job.progress);
      if (!Number.isFinite(loss) && perEpoch > threads * 1000)
        throw new Error(`trainWordVectors: the loss is ${loss} after epoch ${epoch + 1}; lower the rate`);
      const done = epoch + 1;
      yield { type: 'epoch', epoch: done, loss, state: () => ({ epoch: done, tables: Float32Array.from(tables) }) };
    }
    yield { type: 'done', vectors: result(corpus, tables, layout, dimension, method === 'glove') };
  } finally {
    await crew.end();
  }
}

type Settings = Required<Omit<TrainWordsOptions, 'signal' | 'state' | 'seed' | 'threads'>>;

function check(o: TrainWordsOptions): Settings {
  for (const name of Object.keys(o))
    if (!known.includes(name)) throw new Error(`trainWordVectors: no option ${name}; there are ${known.join(', ')}`);
  const { method = 'skipgram' } = o;
  if (!['skipgram', 'cbow', 'glove'].includes(method))
    throw new Error(`trainWordVectors: method is ${JSON.stringify(method)}; needs skipgram, cbow or glove`);
  const isGlove = method === 'glove';
  const settings = {
    method,
    dimension: 100,
    window: isGlove ? 10 : 5,
    negatives: 5,
    negativePower: 0.75,
    subsample: 1e-3,
    epochs: isGlove ? 15 : 5,
    rate: { skipgram: 0.025, cbow: 0.05, glove: 0.05 }[method],
    xMax: 100,
    alpha: 0.75,
    ...Object.fromEntries(Object.entries(o).filter(([, value]) => value !== undefined)),
  } as Settings;
  const whole = (name: keyof Settings | 'threads', value: unknown, least: number): void => {
    if (!(Number.isInteger(value) && (value as number) >= least))
      throw new Error(`trainWordVectors: ${name} is ${String(value)}; needs a whole number from ${least}`);
  };
  for (const name of ['dimension', 'window', 'epochs'] as const) whole(name, settings[name], 1);
  whole('negatives', settings.negatives, 0);
  whole('threads', o.threads ?? 1, 1);
  for (const name of ['rate', 'xMax', 'alpha'] as const)
    if (!(settings[name] > 0 && Number.isFinite(settings[name])))
      throw new Error(`trainWordVectors: ${name} is ${settings[name]}; needs a number above 0`);
  for (const name of ['subsample', 'negativePower'] as const)
    if (!(settings[name] >= 0 && Number.isFinite(settings[name])))
      throw new Error(`trainWordVectors: ${name} is ${settings[name]}; needs a number from 0`);
  return settings;
}

function layoutOf(V: number, { method, dimension, negatives, threads }: Settings & { threads: number }): WordLayout {
  const isGlove = method === 'glove';
  const stride = 8 * Math.ceil(dimension / 8);
  const table = 4 * V * stride;
  const aligned = (bytes: number): number => 32 * Math.ceil(bytes / 32);
  const biases = isGlove ? 4 * table : 2 * table;
  const sigmoid = aligned(biases + (isGlove ? 16 * V : 0));
  const scratch = sigmoid + aligned(4 * sigmoidTable().length);
  const listBytes = aligned(4 * (negatives + 1));
  const end = scratch + threads * (8 * stride + listBytes);
  if (end > 2 ** 32 - 65536)
    throw new Error(
      `trainWordVectors: ${V} words of ${dimension} dimensions need ${(end / 2 ** 30).toFixed(1)} GiB; at most 4 fit. Raise minCount, or lower maxVocabulary or dimension`,
    );
  return {
    stride,
    vectors: 0,
    contexts: table,
    squares: isGlove ? 2 * table : 0,
    contextSquares: isGlove ? 3 * table : 0,
    biases,
    sigmoid,
    scratch,
    listBytes,
    end,
  };
}

// Vectors begin small and at random, what they are compared with at zero (GloVe: both at random).
function begin(
  tables: Float32Array,
  { stride, contexts, squares, biases }: WordLayout,
  { V, dimension, seed, isGlove }: { V: number; dimension: number; seed: number; isGlove: boolean },
): void {
  const draw = random(streamSeed(seed, 'vectors'));
  const fill = (from: number): void => {
    for (let v = 0; v < V; v++)
      for (let i = 0; i < dimension; i++) tables[from + v * stride + i] = (draw.uniform() - 0.5) / dimension;
  };
  fill(0);
  if (!isGlove) return;
  fill(contexts / 4);
  tables.fill(1, squares / 4, biases / 4);
  tables.fill(1, biases / 4 + 2 * V, biases / 4 + 4 * V);
}

// word2vec's share of a word's places that are kept.
function keepShares({ counts, total }: WordCorpus, subsample: number): Float32Array {
  const shares = new Float32Array(new SharedArrayBuffer(4 * counts.length));
  counts.forEach((count, i) => {
    const at = subsample > 0 ? (subsample * total) / count : Infinity;
    shares[i] = Math.min(1, Math.sqrt(at) + at);
  });
  return shares;
}

// Words in a row, each as often as it is to be drawn.
function drawn(counts: Float64Array, power: number): Int32Array {
  const size = Math.max(2 ** 20, 16 * counts.length);
  const draws = new Int32Array(new SharedArrayBuffer(4 * size));
  let all = 0;
  for (const count of counts) all += count ** power;
  let [word, sum] = [0, counts[0]! ** power / all];
  for (let i = 0; i < size; i++) {
    while ((i + 0.5) / size > sum && word < counts.length - 1) sum += counts[++word]! ** power / all;
    draws[i] = word;
  }
  return draws;
}

function result(
  corpus: WordCorpus,
  tables: Float32Array,
  { stride, contexts }: WordLayout,
  dimension: number,
  isSum: boolean,
): WordVectors {
  const V = corpus.words.length;
  const vectors = new Float32Array(V * dimension);
  for (let v = 0; v < V; v++)
    for (let i = 0; i < dimension; i++)
      vectors[v * dimension + i] = tables[v * stride + i]! + (isSum ? tables[contexts / 4 + v * stride + i]! : 0);
  return new WordVectors(corpus.words, vectors, { counts: corpus.counts });
}

function streamOf(seed: number, name: string): (n: number) => number {
  const draw = random(streamSeed(seed, name));
  return (n) => draw.integer(n);
}

function sumOf(progress: Float64Array, which: number): number {
  let sum = 0;
  for (let i = which; i < progress.length; i += 3) sum += progress[i]!;
  return sum;
}
const lossOf = (progress: Float64Array): number => sumOf(progress, 1) / sumOf(progress, 2);

// The threads of one training.
class Crew {
  readonly #workers: Worker[];
  readonly #stop: Int32Array;
  #failed: Error | null = null;
  #settle: (() => void) | null = null;
  #waiting = 0;

  constructor(job: WordJob) {
    const url = moduleUrl('words/word-worker', import.meta.url);
    this.#stop = job.stop;
    this.#workers = Array.from(
      { length: job.threads },
      () => new Worker(url, { workerData: job, ...(url.pathname.endsWith('.js') && { execArgv: [] }) }),
    );
    for (const worker of this.#workers) {
      worker.on('message', () => {
        if (--this.#waiting === 0) this.#settle?.();
      });
      worker.on('error', (error) => this.#fail(new Error(`a thread failed: ${error.message}`, { cause: error })));
      worker.on('exit', (code) => this.#fail(new Error(`a thread ended (exit code ${code})`)));
    }
  }

  /** One epoch. */
  async run(seedOf: (thread: number) => number): Promise<void> {
    if (!this.#failed) {
      this.#waiting = this.#workers.length;
      const over = new Promise<void>((resolve) => (this.#settle = resolve));
      this.#workers.forEach((worker, thread) =>
        worker.postMessage({ thread, seed: seedOf(thread) } satisfies WordTask),
      );
      await over;
    }
    if (this.#failed) throw this.#failed;
  }

  async end(): Promise<void> {
    Atomics.store(this.#stop, 0, 1);
    for (const worker of this.#workers) worker.removeAllListeners('exit');
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    this.#settle?.();
  }
}
