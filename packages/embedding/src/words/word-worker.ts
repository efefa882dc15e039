// The thread of word-thread.ts: waits for epochs, does its share of each.
import { parentPort, workerData } from 'node:worker_threads';
import type { WordKernels } from './word-kernels.ts';
import { trainShare, type WordJob, type WordTask } from './word-thread.ts';

interface Engine {
  readonly Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
}
const job = workerData as WordJob;
const { WebAssembly } = globalThis as unknown as { WebAssembly: Engine };
const kernels = new WebAssembly.Instance(job.module, { env: { memory: job.memory } }).exports;

parentPort!.on('message', (task: WordTask) => {
  trainShare(job, kernels as unknown as WordKernels, task);
  parentPort!.postMessage('done');
});
