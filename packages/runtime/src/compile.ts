// Compiles a graph or an ONNX model for ONNX Runtime.
import { portable, type Tensor } from '@brickwork/graph';
import { modelSource } from './model-source.ts';
import type { Program } from './program.ts';
import type { Provider } from './providers.ts';
import { openSession, type SessionOptions } from './session-program.ts';
import { refuseTelemetry } from './telemetry.ts';
import { openWorker } from './worker-program.ts';

/** How a program is compiled. */
export interface CompileOptions {
  /** In order of preference; `['cpu']` unless given. One that can't be used is an error, never skipped in silence. */
  readonly providers?: readonly Provider[];
  /** Threads within an operator; the engine's choice (one per core) unless given. */
  readonly threads?: number;
  /** Gives the program a thread of its own, so that a run doesn't block this one; false unless given. */
  readonly worker?: boolean;
  /**
   * The engine keeps memory for its next run (`'arena'`, unless given), or asks the system for what it needs each time
   * (`'plain'`: less memory between runs, slower).
   */
  readonly memory?: 'arena' | 'plain';
  /** Allows a buffer to be an input and an output of one run. Right only for graphs that update in place. */
  readonly allowInPlace?: boolean;
  /** Idle threads keep spinning for the next operator; true unless given. False leaves the cores to other programs. */
  readonly spinning?: boolean;
  /** Measures every node of every run, for `placement()`; false unless given. Costs some speed. */
  readonly profile?: boolean;
  /** Ends the compiling with the signal's reason. */
  readonly signal?: AbortSignal;
}

const known = ['providers', 'threads', 'worker', 'memory', 'allowInPlace', 'spinning', 'profile', 'signal'];

/**
 * Compiles named graph outputs, the bytes of an ONNX model, or the model file at a path.
 *
 * @throws where an option is unknown, or the engine refuses the model or a provider.
 */
export async function compile(
  model: Uint8Array | string | Readonly<Record<string, Tensor>>,
  options: CompileOptions = {},
): Promise<Program> {
  const { providers = ['cpu'], threads, worker = false, memory = 'arena', signal } = options;
  const { allowInPlace = false, spinning = true, profile = false } = options;
  for (const name of Object.keys(options))
    if (!known.includes(name)) throw new Error(`compile: no option ${name}; there are ${known.join(', ')}`);
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0))
    throw new Error(`compile: threads is ${threads}; needs a whole number above 0`);
  if (memory !== 'arena' && memory !== 'plain')
    throw new Error(`compile: memory is ${JSON.stringify(memory)}; needs 'arena' or 'plain'`);
  signal?.throwIfAborted();
  const session: SessionOptions = { providers, threads: threads ?? null, memory, spinning, allowInPlace, profile };
  refuseTelemetry(); // in this thread: others only have a copy of the environment
  if (typeof model !== 'string' && !(model instanceof Uint8Array)) {
    const source = await modelSource(forProviders(model, providers), signal ? { signal } : {});
    try {
      return await open(source.model, session, { worker, give: true, signal });
    } finally {
      await source.release();
    }
  }
  if (model.length === 0)
    throw new Error(
      `compile: the model is ${typeof model === 'string' ? 'an empty path' : '0 bytes long'}; needs an ONNX model`,
    );
  return await open(model, session, { worker, give: false, signal });
}

// WebGPU and CoreML have no kernel for products with transposes as one operator, and would leave them to the CPU.
function forProviders(
  outputs: Readonly<Record<string, Tensor>>,
  providers: readonly Provider[],
): Readonly<Record<string, Tensor>> {
  const splits = providers[0] === 'webgpu' || providers[0] === 'coreml';
  return splits ? portable(outputs, { keep: ['Gelu', 'FastGelu'] }) : outputs;
}

async function open(
  model: Uint8Array | string,
  session: SessionOptions,
  { worker, give, signal }: { worker: boolean; give: boolean; signal: AbortSignal | undefined },
): Promise<Program> {
  if (worker) return openWorker(model, session, give, signal);
  const program = await openSession(model, session);
  if (!signal?.aborted) return program;
  await program.dispose();
  throw signal.reason;
}
