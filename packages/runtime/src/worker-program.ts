// A program in a thread of its own, so that a long run doesn't block this one: checks here, computes there.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { show } from '@brickwork/graph';
import { checkData, checkFeeds, checkOutputs, feedMap, isWritten, refuseShared } from './check-feeds.ts';
import { arrayOf } from './dtypes.ts';
import type { HostTensor } from './host-tensor.ts';
import { moduleUrl } from './module-url.ts';
import type { Placement } from './profile.ts';
import type { Feeds, InputSpec, Outputs, Program, RunOptions } from './program.ts';
import type { Provider } from './providers.ts';
import type { SessionOptions } from './session-program.ts';
import { forgetGate, openGate } from './uninterrupted.ts';
import type { WorkerReply, WorkerRequest, WorkerStart } from './session-worker.ts';

/**
 * Starts a thread and opens a model there.
 *
 * @param give the model's bytes may be moved there instead of copied.
 * @throws what opening it here would throw, or the signal's reason.
 */
export async function openWorker(
  model: Uint8Array | string,
  options: SessionOptions,
  give: boolean,
  signal?: AbortSignal,
): Promise<Program> {
  const url = moduleUrl('session-worker');
  const bytes = typeof model === 'string' || give ? model : new Uint8Array(model);
  const gate = openGate();
  const thread = new Worker(url, {
    workerData: { model: bytes, options, gate } satisfies WorkerStart,
    transferList: typeof bytes === 'string' ? [] : [bytes.buffer as ArrayBuffer],
    // A build runs as it is, whatever this process needs to run sources.
    ...(url.pathname.endsWith('.js') && { execArgv: [] }),
  });
  thread.on('exit', () => forgetGate(gate));
  const program = new WorkerProgram(thread, options);
  try {
    await program.ready(signal);
    return program;
  } catch (error) {
    program.leave();
    throw error;
  }
}

interface Job {
  /** Makes the request once it is its turn, so that no copies wait in a queue. */
  readonly request: () => WorkerRequest;
  readonly resolve: (reply: WorkerReply) => void;
  readonly reject: (error: unknown) => void;
}

/** A program that computes in another thread. */
export class WorkerProgram implements Program {
  inputs: readonly InputSpec[] = [];
  outputs: readonly InputSpec[] = [];
  providers: readonly Provider[];
  readonly #allowInPlace: boolean;
  readonly #thread: Worker;
  // Only shapes and types of what is bound, to check what comes with it: the data are in the thread.
  readonly #bound = new Map<string, HostTensor>();
  readonly #waiting: Job[] = [];
  #active: Job | null = null;
  #ended: Error | null = null;

  constructor(thread: Worker, { providers, allowInPlace }: SessionOptions) {
    this.#thread = thread;
    this.providers = providers;
    this.#allowInPlace = allowInPlace;
    thread.on('message', (reply: WorkerReply) => this.#settle(reply));
    thread.on('messageerror', (error) => this.#end(error));
    thread.on('error', (error) =>
      this.#end(new Error(`the program's thread failed: ${error.message}`, { cause: error })),
    );
    thread.on('exit', (code) =>
      this.#end(new Error(`the program's thread ended (exit code ${code}); compile it again`)),
    );
  }

  /** Waits until the thread has opened the model. */
  async ready(signal?: AbortSignal): Promise<void> {
    const answered = new Promise<WorkerReply>((resolve, reject) => {
      this.#active = { request: () => 'placement', resolve, reject };
    });
    const { inputs = [], outputs = [] } = await abortable(answered, signal);
    this.inputs = inputs;
    this.outputs = outputs;
  }

  async run(feeds: Feeds, outputs?: Outputs, { signal }: RunOptions = {}): Promise<Record<string, HostTensor>> {
    this.#open('run');
    signal?.throwIfAborted();
    const given = feedMap(feeds);
    checkFeeds(this.inputs, given, { bound: this.#bound });
    for (const [name, tensor] of given) checkData(`input ${name}`, tensor);
    const written = isWritten(outputs) ? outputs : null;
    const names = written
      ? Object.keys(written)
      : ((outputs as readonly string[] | undefined) ?? this.outputs.map((o) => o.name));
    checkOutputs(this.outputs, names);
    for (const name of names) if (written) checkData(`output ${name}`, written[name]!);
    if (written && !this.#allowInPlace) refuseShared(given, written);
    const { tensors = {} } = await this.#ask('run', () => ({ run: given, outputs: names }), signal);
    if (!written) return tensors;
    for (const name of names) write(name, tensors[name]!, written[name]!);
    return { ...written };
  }

  async bind(feeds: Feeds): Promise<void> {
    const given = feedMap(feeds);
    this.#open('bind');
    checkFeeds(this.inputs, given, { who: 'bind', partial: true });
    for (const [name, tensor] of given) checkData(`input ${name}`, tensor, 'bind');
    await this.#ask('bind', () => ({ bind: given }));
    for (const [name, { shape, dtype }] of given) this.#bound.set(name, { shape, dtype, data: new arrayOf[dtype](0) });
  }

  async placement(): Promise<Placement> {
    return (await this.#ask('placement', () => 'placement')).placement!;
  }

  async dispose(): Promise<void> {
    if (this.#ended) return;
    const exit = once(this.#thread, 'exit');
    this.leave();
    this.#thread.ref();
    await exit;
  }

  /** Lets the thread end by itself once it is out of the engine: ended within, it would abort the process. */
  leave(): void {
    this.#end(new Error('the program was disposed; compile it again'));
    this.#thread.postMessage('dispose' satisfies WorkerRequest);
    this.#thread.unref();
  }

  #open(who: string): void {
    if (this.#ended) throw new Error(`${who}: ${this.#ended.message}`, { cause: this.#ended });
  }

  async #ask(who: string, request: () => WorkerRequest, signal?: AbortSignal): Promise<WorkerReply> {
    this.#open(who);
    let job: Job | undefined;
    const answered = new Promise<WorkerReply>((resolve, reject) => {
      job = { request, resolve, reject: (error) => reject(error) };
      this.#waiting.push(job);
      this.#next();
    });
    try {
      return await abortable(answered, signal);
    } catch (error) {
      const at = this.#waiting.indexOf(job!);
      if (at >= 0) this.#waiting.splice(at, 1);
      if (error === this.#ended) this.#open(who);
      throw error;
    }
  }

  // One request at a time is with the thread; it keeps the process alive meanwhile.
  #next(): void {
    if (this.#active) return;
    const job = this.#waiting.shift();
    if (!job) return this.#thread.unref();
    try {
      const [request, moved] = packed(job.request());
      this.#thread.postMessage(request, moved);
      this.#active = job;
      this.#thread.ref();
    } catch (error) {
      job.reject(error);
      this.#next();
    }
  }

  #settle(reply: WorkerReply): void {
    const job = this.#active;
    this.#active = null;
    if (reply.providers) this.providers = reply.providers;
    if (reply.error === undefined) job?.resolve(reply);
    else job?.reject(reply.error);
    if (!this.#ended) this.#next();
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const job of [this.#active, ...this.#waiting.splice(0)]) job?.reject(this.#ended);
    this.#active = null;
  }
}

// A request with copies of its tensors, which are moved: a copy of the part that is used, made once.
function packed(request: WorkerRequest): [WorkerRequest, ArrayBuffer[]] {
  if (typeof request === 'string') return [request, []];
  const moved: ArrayBuffer[] = [];
  const copies = new Map<string, HostTensor>();
  for (const [name, { data, shape, dtype }] of 'run' in request ? request.run : request.bind) {
    const copy = new arrayOf[dtype](data.length);
    (copy as Float32Array).set(data as Float32Array);
    moved.push(copy.buffer as ArrayBuffer);
    copies.set(name, { data: copy, shape: [...shape], dtype });
  }
  return ['run' in request ? { ...request, run: copies } : { bind: copies }, moved];
}

function write(name: string, from: HostTensor, to: HostTensor): void {
  if (from.dtype !== to.dtype || String(from.shape) !== String(to.shape))
    throw new Error(
      `run: output ${name} is ${from.dtype} ${show(from.shape)}; the tensor given for it is ${to.dtype} ${show(to.shape)}`,
    );
  (to.data as Float32Array).set(from.data as Float32Array);
}

// The promise, or the signal's reason if that comes first.
async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  promise.catch(() => {}); // nobody waits for it any more after an abort
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
