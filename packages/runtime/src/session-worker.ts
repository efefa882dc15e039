// The thread of a program that has one: opens the session here and runs it for worker-program.ts, one request at a time.
import { parentPort, workerData } from 'node:worker_threads';
import type { HostTensor } from './host-tensor.ts';
import type { Placement } from './profile.ts';
import type { InputSpec } from './program.ts';
import type { Provider } from './providers.ts';
import type { SessionOptions, SessionProgram } from './session-program.ts';
import { uninterrupted, type Gate } from './uninterrupted.ts';

/** What the thread starts with. */
export interface WorkerStart {
  readonly model: Uint8Array | string;
  readonly options: SessionOptions;
  readonly gate: Gate;
}

/** What the thread is asked. */
export type WorkerRequest =
  | { readonly run: ReadonlyMap<string, HostTensor>; readonly outputs: readonly string[] }
  | { readonly bind: ReadonlyMap<string, HostTensor> }
  | 'placement'
  | 'dispose';

/** What it answers: first once it is ready, then once per request. */
export interface WorkerReply {
  readonly error?: unknown;
  readonly inputs?: readonly InputSpec[];
  readonly outputs?: readonly InputSpec[];
  readonly tensors?: Record<string, HostTensor>;
  readonly placement?: Placement;
  readonly providers?: readonly Provider[];
}

async function answer(program: SessionProgram, request: WorkerRequest): Promise<WorkerReply> {
  if (request === 'placement') return { placement: await program.placement(), providers: program.providers };
  if (request === 'dispose') await program.dispose();
  else if ('bind' in request) await program.bind(request.bind);
  else return { tensors: await program.run(request.run, request.outputs), providers: program.providers };
  return {};
}

async function main(): Promise<void> {
  const { model, options, gate } = workerData as WorkerStart;
  const port = parentPort!;
  const reply = (message: WorkerReply): void => {
    const buffers = Object.values(message.tensors ?? {}).map((t) => t.data.buffer as ArrayBuffer);
    port.postMessage(message, [...new Set(buffers)]);
  };
  let program: SessionProgram;
  try {
    program = await uninterrupted(gate, async () => {
      const { openSession } = await import('./session-program.ts'); // loads the engine
      return openSession(model, options);
    });
  } catch (error) {
    return reply({ error });
  }
  port.on('message', (request: WorkerRequest) => {
    uninterrupted(gate, () => answer(program, request)).then(reply, (error: unknown) => reply({ error }));
    if (request === 'dispose') port.close(); // once what was posted is sent
  });
  reply({ inputs: program.inputs, outputs: program.outputs, providers: program.providers });
}

await main();
