// What a machine can do at best: the speed of a large matrix product on the same engine, providers and threads.
import { input, matmul } from '@brickwork/graph';
import { compile, hostTensor, type CompileOptions } from '@brickwork/runtime';

/** How the peak is measured. */
export interface PeakOptions {
  /** The engine's options: what runs there is measured. */
  readonly compile?: CompileOptions;
  /** Seconds to measure for, after one run to warm up; 0.2 unless given. At least two runs are made. */
  readonly seconds?: number;
  readonly signal?: AbortSignal;
}

// Rows and columns: large enough for full speed, small enough for a slow machine to be done in a second.
const size = 1024;
// Products one after another, so that copying values in and out counts for little.
const chain = 2;

/**
 * Floating-point operations per second of float32 matrix products (two for each multiplication with addition), the best
 * of a few runs.
 *
 * @throws where the engine can't run there, or `signal` says stop.
 */
export async function measurePeak({ compile: engine = {}, seconds = 0.2, signal }: PeakOptions = {}): Promise<number> {
  signal?.throwIfAborted();
  const [a, b] = [input('a', [size, size]), input('b', [size, size])];
  let product = a;
  for (let i = 0; i < chain; i++) product = matmul(product, b);
  const program = await compile({ product }, engine);
  try {
    const values = (x: number): Float32Array => new Float32Array(size * size).fill(x);
    const feeds = { a: hostTensor(values(1), [size, size]), b: hostTensor(values(1 / size), [size, size]) };
    const into = { product: hostTensor(values(0), [size, size]) };
    await program.run(feeds, into);
    let best = Infinity;
    const end = performance.now() + 1000 * seconds;
    for (let runs = 0; runs < 2 || performance.now() < end; runs++) {
      signal?.throwIfAborted();
      const begin = performance.now();
      await program.run(feeds, into);
      best = Math.min(best, performance.now() - begin);
    }
    return (2 * size ** 3 * chain * 1000) / best;
  } finally {
    await program.dispose();
  }
}
