// The threads that make images ready.
import { Worker } from 'node:worker_threads';
import { moduleUrl } from '@brickwork/runtime';
import type { ImageSet } from './image-set.ts';
import { prepareImages, type ImageAnswer, type ImageRequest, type Preparation } from './read-image.ts';

interface Waiting {
  readonly worker: number;
  readonly resolve: (answer: ImageAnswer) => void;
  readonly reject: (error: Error) => void;
}

/** Makes images of one set ready, in so many threads of its own; in the caller's where there are none. */
export class ImageCrew {
  readonly #set: ImageSet;
  readonly #preparation: Preparation;
  readonly #workers: Worker[] = [];
  readonly #busy: number[] = [];
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;

  constructor(set: ImageSet, preparation: Preparation, workers: number) {
    this.#set = set;
    this.#preparation = preparation;
    if (!workers) return;
    const url = moduleUrl('data/image-worker', import.meta.url);
    for (let w = 0; w < workers; w++) {
      const worker = new Worker(url, {
        workerData: { set, preparation },
        ...(url.pathname.endsWith('.js') && { execArgv: [] }),
      });
      worker.unref(); // a process that is done ends, closed or not
      worker.on('message', ({ id, answer, error }: { id: number; answer?: ImageAnswer; error?: string }) => {
        const one = this.#waiting.get(id);
        if (!one) return;
        this.#waiting.delete(id);
        this.#busy[one.worker]!--;
        if (!this.#busy[one.worker]) worker.unref();
        if (answer) one.resolve(answer);
        else one.reject(new Error(error));
      });
      worker.on('error', (error) =>
        this.#fail(w, new Error(`a thread that reads images failed: ${error.message}`, { cause: error })),
      );
      worker.on('exit', (code) => this.#fail(w, new Error(`a thread that reads images ended (exit code ${code})`)));
      this.#workers.push(worker);
      this.#busy.push(0);
    }
  }

  /** Asks the thread that has least to do. */
  prepare(request: ImageRequest): Promise<ImageAnswer> {
    if (!this.#workers.length) return prepareImages(this.#set, this.#preparation, request);
    const worker = this.#busy.indexOf(Math.min(...this.#busy));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { worker, resolve, reject });
      this.#busy[worker]!++;
      this.#workers[worker]!.ref();
      this.#workers[worker]!.postMessage({ id, request });
    });
  }

  async close(): Promise<void> {
    const workers = this.#workers.splice(0);
    for (const worker of workers) {
      worker.removeAllListeners('exit');
      worker.ref(); // its end is waited for
    }
    await Promise.all(workers.map((worker) => worker.terminate()));
    for (const { reject } of this.#waiting.values()) reject(new Error('the images were closed'));
    this.#waiting.clear();
  }

  #fail(worker: number, error: Error): void {
    for (const [id, one] of this.#waiting)
      if (one.worker === worker) {
        this.#waiting.delete(id);
        one.reject(error);
      }
  }
}
