// How much memory can be read in a second, by so many threads at once: what limits a step of decoding.
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

function read() {
  const numbers = new Float64Array(2 ** 25).fill(1); // 268 MB, beyond any cache
  let sum = 0;
  const started = performance.now();
  // A number of each cache line.
  for (let i = 0; i < numbers.length; i += 8) sum += numbers[i];
  for (let i = 4; i < numbers.length; i += 8) sum += numbers[i];
  return { bytes: 2 * numbers.byteLength, seconds: (performance.now() - started) / 1000, sum };
}
if (!isMainThread) parentPort.postMessage(read());

/** GB/s. */
export async function bandwidth(threads) {
  const found = await Promise.all(
    Array.from(
      { length: threads },
      () =>
        new Promise((resolve, reject) => {
          const worker = new Worker(new URL(import.meta.url));
          worker.once('message', resolve);
          worker.once('error', reject);
        }),
    ),
  );
  return found.reduce((n, { bytes, seconds }) => n + bytes / seconds / 1e9, 0);
}
