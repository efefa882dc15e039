// What a thread that trains word vectors is given and does: its share of the corpus, once for each time it is asked. Threads
// write to the same rows without waiting for each other (Niu et al., 2011, "Hogwild!"): what is lost now and then is noise.
import type { WordKernels } from './word-kernels.ts';

/** Where everything lies in the shared memory, in bytes. */
export interface WordLayout {
  /** float32 of a row, a multiple of 8: the dimension, and zeros behind. */
  readonly stride: number;
  /** The vectors, and the second table: (V, stride) each. */
  readonly vectors: number;
  readonly contexts: number;
  /** GloVe: sums of squares of both, and biases with theirs, V each. */
  readonly squares: number;
  readonly contextSquares: number;
  readonly biases: number;
  /** σ's table. */
  readonly sigmoid: number;
  /** Of each thread two rows, to add slopes up in and for a mean, and `listBytes` of addresses. */
  readonly scratch: number;
  readonly listBytes: number;
  readonly end: number;
}

/** What all threads know. */
export interface WordJob {
  readonly method: 'skipgram' | 'cbow' | 'glove';
  readonly module: object;
  readonly memory: { readonly buffer: SharedArrayBuffer };
  readonly layout: WordLayout;
  readonly threads: number;
  readonly vocabulary: number;
  readonly window: number;
  readonly negatives: number;
  /** How σ's table is read. */
  readonly sigmoid: { readonly reach: number; readonly cells: number };
  readonly rate: number;
  /** Words (or pairs) that all epochs have together. */
  readonly total: number;
  /** skipgram, cbow: the corpus, how likely each word is kept, and words as often as they are drawn. */
  readonly ids: Int32Array;
  readonly keep: Float32Array;
  readonly draws: Int32Array;
  /** GloVe: pairs with how often they stand together. */
  readonly rows: Int32Array;
  readonly columns: Int32Array;
  readonly together: Float32Array;
  readonly xMax: number;
  readonly alpha: number;
  /** Of each thread: words (or pairs) done, the sum of its losses, and how many these are. */
  readonly progress: Float64Array;
  /** Not 0: stop. */
  readonly stop: Int32Array;
}

/** One epoch of one thread. */
export interface WordTask {
  readonly thread: number;
  readonly seed: number;
}

type Share = (job: WordJob, kernels: WordKernels, task: WordTask) => void;

/** Does a thread's share of an epoch. */
export const trainShare: Share = (job, kernels, task) =>
  job.method === 'glove' ? gloveShare(job, kernels, task) : negativeShare(job, kernels, task);

// Texts are cut here, as word2vec's are.
const longest = 1000;

// A thread's part of a list: whole texts where `ids` are given.
function share(length: number, { threads }: WordJob, thread: number, ids?: Int32Array): [from: number, to: number] {
  const cut = (at: number): number => {
    let i = Math.floor((length * at) / threads);
    if (ids && i > 0) while (i < length && ids[i - 1]! >= 0) i++;
    return i;
  };
  return [cut(thread), thread === threads - 1 ? length : cut(thread + 1)];
}

// Skip-gram and continuous bag of words with negative sampling (Mikolov et al., 2013).
const negativeShare: Share = (job, { dot, place, addScaled }, { thread, seed }) => {
  const { ids, keep, draws, window, negatives, rate, total, layout, progress, stop } = job;
  const { vectors, contexts } = layout;
  const rowBytes = 4 * layout.stride;
  const slope = layout.scratch + thread * (2 * rowBytes + layout.listBytes);
  const mean = slope + rowBytes;
  const bag = new Float32Array(job.memory.buffer, mean, layout.stride);
  const list = mean + rowBytes;
  const places = new Int32Array(job.memory.buffer, list, negatives + 1);
  const { reach, cells } = job.sigmoid;
  const next = xorshift(seed);
  const done = 3 * thread;
  const sentence = new Int32Array(longest);
  const isBag = job.method === 'cbow';
  let [losses, counted, ahead] = [0, 0, 0];

  // A row against the word that stands there and others that are drawn; what it is to move by stands in `slope` then.
  const step = (row: number, word: number, now: number): void => {
    let n = 1;
    places[0] = contexts + word * rowBytes;
    for (let drawn = 0; drawn < negatives; drawn++) {
      const other = draws[next() % draws.length]!;
      if (other !== word) places[n++] = contexts + other * rowBytes;
    }
    // One place of 64 is enough to know the loss by.
    if ((ahead++ & 63) === 0) {
      counted++;
      for (let i = 0; i < n; i++) {
        const x = dot(row, places[i]!, row + rowBytes);
        losses += Math.log1p(Math.exp(i ? x : -x));
      }
    }
    place(row, row + rowBytes, slope, list, list + 4 * n, layout.sigmoid, now, 1, reach, cells);
  };

  const [from, to] = share(ids.length, job, thread, ids);
  let now = rate;
  for (let at = from; at < to;) {
    let done1 = 0;
    for (let t = 0; t < job.threads; t++) done1 += progress[3 * t]!;
    now = rate * Math.max(1e-4, 1 - done1 / total);
    if (Atomics.load(stop, 0)) return;
    let [length, words] = [0, 0];
    for (; at < to && length < longest; at++) {
      const id = ids[at]!;
      if (id < 0) {
        at++;
        break;
      }
      words++;
      if (keep[id]! >= 1 || next() / 2 ** 32 < keep[id]!) sentence[length++] = id;
    }
    for (let i = 0; i < length; i++) {
      const far = window - (next() % window);
      const [first, last] = [Math.max(0, i - far), Math.min(length - 1, i + far)];
      if (isBag) {
        const count = last - first;
        if (!count) continue;
        bag.fill(0);
        for (let j = first; j <= last; j++)
          if (j !== i) addScaled(mean, vectors + sentence[j]! * rowBytes, mean + rowBytes, 1 / count);
        step(mean, sentence[i]!, now);
        for (let j = first; j <= last; j++) {
          const row = vectors + sentence[j]! * rowBytes;
          if (j !== i) addScaled(row, slope, row + rowBytes, 1 / count);
        }
        continue;
      }
      for (let j = first; j <= last; j++) {
        if (j === i) continue;
        const row = vectors + sentence[j]! * rowBytes;
        step(row, sentence[i]!, now);
        addScaled(row, slope, row + rowBytes, 1);
      }
    }
    progress[done]! += words;
    progress[done + 1] = losses;
    progress[done + 2] = counted;
  }
};

// GloVe (Pennington et al., 2014): f(X) (w·c + b + b' - ln X)², by AdaGrad, each pair in both directions.
const gloveShare: Share = (job, { dot, pair }, { thread, seed }) => {
  const { rows, columns, together, rate, xMax, alpha, layout, vocabulary, progress, stop } = job;
  const { vectors, contexts, squares, contextSquares } = layout;
  const rowBytes = 4 * layout.stride;
  const biases = new Float32Array(job.memory.buffer, layout.biases, 4 * vocabulary);
  const [from, to] = share(rows.length, job, thread);
  const next = xorshift(seed);
  let [losses, counted] = [0, 0];
  const one = (i: number, j: number, x: number): void => {
    const [a, b] = [vectors + i * rowBytes, contexts + j * rowBytes];
    const [bi, bj] = [i, vocabulary + j];
    const difference = dot(a, b, a + rowBytes) + biases[bi]! + biases[bj]! - Math.log(x);
    const weight = x < xMax ? (x / xMax) ** alpha : 1;
    losses += 0.5 * weight * difference * difference;
    counted++;
    const d = weight * difference * rate;
    pair(a, b, squares + i * rowBytes, contextSquares + j * rowBytes, a + rowBytes, d);
    for (const bias of [bi, bj]) {
      const square = bias + 2 * vocabulary;
      biases[bias]! -= d / Math.sqrt(biases[square]!);
      biases[square]! += d * d;
    }
  };
  // Begins anywhere, so that epochs differ.
  const size = to - from;
  const start = size ? next() % size : 0;
  for (let n = 0; n < size; n++) {
    if ((n & 4095) === 0) {
      if (Atomics.load(stop, 0)) return;
      progress[3 * thread + 1] = losses;
      progress[3 * thread + 2] = counted;
    }
    const at = from + ((start + n) % size);
    const [i, j] = [rows[at]!, columns[at]!];
    one(i, j, together[at]!);
    if (i !== j) one(j, i, together[at]!);
    progress[3 * thread]!++;
  }
  progress[3 * thread + 1] = losses;
  progress[3 * thread + 2] = counted;
};

// Marsaglia's xorshift32 (2003): fast, and random enough to draw words by.
function xorshift(seed: number): () => number {
  let x = seed | 0 || 0x9e3779b9;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}
