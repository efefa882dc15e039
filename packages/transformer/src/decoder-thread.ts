// Rows of a decoder in a thread of their own, so that neither computing nor the cache's upkeep ever blocks this one.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { forgetGate, moduleUrl, openGate, type CompileOptions } from '@brickwork/runtime';
import type { Passed, RowsShape } from './cached-rows.ts';
import type { DecoderReply, DecoderRequest, DecoderStart } from './decoder-worker.ts';

interface Job {
  resolve(reply: DecoderReply): void;
  reject(error: unknown): void;
}

/** Models of the passes, as `modelSource` gives them. */
export interface PassModels {
  readonly more: Uint8Array | string;
  /** For rows with learned tokens before them; null where there are none. */
  readonly first: Uint8Array | string | null;
}

/** As `CachedRows`; its methods answer in the order in which they were called. */
export class DecoderThread {
  readonly #thread: Worker;
  readonly #jobs: Job[] = [];
  #ended: Error | null = null;

  private constructor(thread: Worker) {
    this.#thread = thread;
    thread.on('message', (reply: DecoderReply) => this.#settle(reply));
    thread.on('error', (error) =>
      this.#end(new Error(`the decoder's thread failed: ${error.message}`, { cause: error })),
    );
    thread.on('exit', (code) => this.#end(new Error(`the decoder's thread ended (exit code ${code})`)));
  }

  /** Starts the thread, which opens the models; their bytes are moved there. */
  static async open(models: PassModels, shape: RowsShape, options: CompileOptions): Promise<DecoderThread> {
    const { signal: _, worker: __, ...compile } = options;
    const url = moduleUrl('decoder-worker', import.meta.url);
    const gate = openGate();
    const moved = [models.more, models.first].flatMap((m) =>
      m instanceof Uint8Array ? [m.buffer as ArrayBuffer] : [],
    );
    const worker = new Worker(url, {
      workerData: { ...models, shape, compile, gate } satisfies DecoderStart,
      transferList: moved,
      ...(url.pathname.endsWith('.js') && { execArgv: [] }),
    });
    worker.on('exit', () => forgetGate(gate));
    const thread = new DecoderThread(worker);
    try {
      await thread.#answer(); // that it is ready
    } catch (error) {
      await thread.dispose();
      throw error;
    }
    return thread;
  }

  prefill(prompts: readonly (readonly number[])[], signal?: AbortSignal): Promise<Passed> {
    return this.#read({ prefill: prompts }, signal);
  }
  join(prompts: readonly (readonly number[])[], signal?: AbortSignal): Promise<Passed> {
    return this.#read({ join: prompts }, signal);
  }
  append(ids: readonly (readonly number[])[]): Promise<Passed> {
    return this.#read({ append: ids });
  }
  reorder(order: readonly number[]): void {
    this.#tell({ reorder: order });
  }
  truncate(lengths: readonly number[]): void {
    this.#tell({ truncate: lengths });
  }
  clear(): void {
    this.#tell({ clear: true });
  }

  /** Ends the thread once it is out of the engine. */
  async dispose(): Promise<void> {
    if (this.#ended) return;
    const exit = once(this.#thread, 'exit');
    this.#thread.ref();
    this.#thread.postMessage('dispose' satisfies DecoderRequest);
    await exit;
  }

  async #read(request: DecoderRequest, signal?: AbortSignal): Promise<Passed> {
    this.#open();
    const stop = (): void => this.#thread.postMessage('abort' satisfies DecoderRequest);
    const answered = this.#answer();
    this.#thread.postMessage(request);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const reply = await answered;
      signal?.throwIfAborted();
      return reply.passed!;
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  #tell(request: DecoderRequest): void {
    this.#open();
    this.#thread.postMessage(request);
  }

  #open(): void {
    if (this.#ended) throw this.#ended;
  }

  // While an answer is awaited the thread keeps the process alive.
  #answer(): Promise<DecoderReply> {
    this.#thread.ref();
    return new Promise<DecoderReply>((resolve, reject) => this.#jobs.push({ resolve, reject }));
  }

  #settle(reply: DecoderReply): void {
    const job = this.#jobs.shift();
    if (!this.#jobs.length) this.#thread.unref();
    if (reply.error === undefined) job?.resolve(reply);
    else job?.reject(reply.error);
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const job of this.#jobs.splice(0)) job.reject(this.#ended);
  }
}
