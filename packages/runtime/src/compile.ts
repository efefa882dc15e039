// Compiles a graph or an ONNX model for ONNX Runtime, and runs it with named, checked inputs.
import { toOnnx, type DType, type Shape, type Tensor } from '@brickwork/graph';
import * as ort from 'onnxruntime-node';
import { checkFeeds } from './check-feeds.ts';
import type { HostTensor } from './host-tensor.ts';

/** Where a program runs. */
export type Provider = 'cpu' | 'webgpu' | 'cuda' | 'dml' | 'coreml';

/** How a program is compiled. */
export interface CompileOptions {
  /** In order of preference; `['cpu']` unless given. One that can't be used is an error, never skipped in silence. */
  readonly providers?: readonly Provider[];
  /** Threads within an operator; the engine's choice (one per core) unless given. */
  readonly threads?: number;
  /** Allows a buffer to be an input and an output of one run. Right only for graphs that update in place. */
  readonly allowInPlace?: boolean;
  /** Idle threads keep spinning for the next operator; true unless given. False leaves the cores to other programs. */
  readonly spinning?: boolean;
}

/** An input or output: its name, shape (unknown sizes by name) and type. */
export interface InputSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Values by input name. */
export type Feeds = Readonly<Record<string, HostTensor>> | ReadonlyMap<string, HostTensor>;

/** A compiled model: compiled once, run many times. */
export interface Program {
  readonly inputs: readonly InputSpec[];
  readonly outputs: readonly InputSpec[];
  /** The providers that were asked for. */
  readonly providers: readonly Provider[];
  /**
   * Computes outputs: all, those named, or those of a map of tensors, which are written in place.
   *
   * @throws where an input is missing, unknown, or of another shape or type, and where a buffer is input and output.
   */
  run(
    feeds: Feeds,
    outputs?: readonly string[] | Readonly<Record<string, HostTensor>>,
  ): Promise<Record<string, HostTensor>>;
  /** Frees the engine's memory. */
  dispose(): Promise<void>;
}

const engineType = (dtype: DType): ort.Tensor.Type => dtype as ort.Tensor.Type;

/**
 * Compiles named graph outputs, the bytes of an ONNX model, or the model file at a path.
 *
 * @throws where the engine refuses the model or a provider.
 */
export async function compile(
  model: Uint8Array | string | Readonly<Record<string, Tensor>>,
  options: CompileOptions = {},
): Promise<Program> {
  const { providers = ['cpu'], threads, allowInPlace = false, spinning = true } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0))
    throw new Error(`compile: threads is ${threads}; needs a whole number above 0`);
  const available = new Set(ort.listSupportedBackends().map((b) => b.name));
  for (const p of providers)
    if (!available.has(p))
      throw new Error(
        `compile: provider ${p} is not in this build of ONNX Runtime; it has ${[...available].join(', ')}`,
      );
  const session = await create(typeof model === 'string' || model instanceof Uint8Array ? model : toOnnx(model), {
    executionProviders: [...providers],
    logSeverityLevel: 3,
    ...(threads ? { intraOpNumThreads: threads } : {}),
    ...(spinning ? {} : { extra: { session: { intra_op: { allow_spinning: '0' } } } }),
  });
  return new SessionProgram(session, providers, allowInPlace);
}

async function create(
  model: string | Uint8Array,
  o: ort.InferenceSession.SessionOptions,
): Promise<ort.InferenceSession> {
  try {
    return await (typeof model === 'string'
      ? ort.InferenceSession.create(model, o)
      : ort.InferenceSession.create(model, o));
  } catch (cause) {
    const what = typeof model === 'string' ? model : `a model of ${model.length} bytes`;
    throw new Error(`compile: ONNX Runtime refused ${what}: ${(cause as Error).message}`, { cause });
  }
}

const specs = (metadata: readonly ort.InferenceSession.ValueMetadata[]): InputSpec[] =>
  metadata.map((m) =>
    m.isTensor
      ? { name: m.name, shape: m.shape, dtype: m.type as DType }
      : { name: m.name, shape: [], dtype: 'float32' },
  );

class SessionProgram implements Program {
  readonly inputs: readonly InputSpec[];
  readonly outputs: readonly InputSpec[];
  readonly providers: readonly Provider[];
  readonly #allowInPlace: boolean;
  #session: ort.InferenceSession | null;
  // Weights are the same tensors at every step; the engine's view of each is made once.
  readonly #views = new WeakMap<HostTensor, ort.Tensor>();

  constructor(session: ort.InferenceSession, providers: readonly Provider[], allowInPlace: boolean) {
    this.#session = session;
    this.#allowInPlace = allowInPlace;
    this.providers = providers;
    this.inputs = specs(session.inputMetadata);
    this.outputs = specs(session.outputMetadata);
  }

  async run(
    feeds: Feeds,
    outputs?: readonly string[] | Readonly<Record<string, HostTensor>>,
  ): Promise<Record<string, HostTensor>> {
    const session = this.#session;
    if (!session) throw new Error('run: the program was disposed; compile it again');
    const given: ReadonlyMap<string, HostTensor> =
      feeds instanceof Map ? feeds : new Map(Object.entries(feeds as Record<string, HostTensor>));
    checkFeeds(this.inputs, given);
    const own: Record<string, ort.Tensor> = {};
    for (const { name } of this.inputs) own[name] = this.#view(given.get(name)!);
    if (!outputs || Array.isArray(outputs)) {
      const names = (outputs as readonly string[] | undefined) ?? this.outputs.map((o) => o.name);
      this.#known(names);
      const results = await session.run(own, [...names]);
      return Object.fromEntries(names.map((name) => [name, fromEngine(results[name]!)]));
    }
    const written = outputs as Readonly<Record<string, HostTensor>>;
    this.#known(Object.keys(written));
    if (!this.#allowInPlace) this.#refuseShared(given, written);
    await session.run(own, Object.fromEntries(Object.entries(written).map(([name, t]) => [name, this.#view(t)])));
    return { ...written };
  }

  async dispose(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await session?.release();
  }

  #known(names: readonly string[]): void {
    const known = new Set(this.outputs.map((o) => o.name));
    for (const name of names)
      if (!known.has(name)) throw new Error(`run: no output ${name}; there are ${[...known].join(', ')}`);
  }

  // The engine doesn't follow the order of nodes where buffers are shared: it may write before another node has read.
  #refuseShared(feeds: ReadonlyMap<string, HostTensor>, outputs: Readonly<Record<string, HostTensor>>): void {
    const ranges = new Map<ArrayBufferLike, { from: number; to: number; name: string }[]>();
    for (const { name } of this.inputs) {
      const { data } = feeds.get(name)!;
      const list = ranges.get(data.buffer) ?? [];
      ranges.set(data.buffer, list);
      list.push({ from: data.byteOffset, to: data.byteOffset + data.byteLength, name });
    }
    for (const [name, { data }] of Object.entries(outputs))
      for (const r of ranges.get(data.buffer) ?? [])
        if (data.byteOffset < r.to && r.from < data.byteOffset + data.byteLength)
          throw new Error(
            `run: input ${r.name} and output ${name} share memory, which gives wrong results; use another buffer`,
          );
  }

  #view(tensor: HostTensor): ort.Tensor {
    let view = this.#views.get(tensor);
    if (!view) {
      const { data, dtype, shape } = tensor;
      view = new ort.Tensor(engineType(dtype), data as Float32Array, shape);
      this.#views.set(tensor, view);
    }
    return view;
  }
}

const fromEngine = (t: ort.Tensor): HostTensor => ({
  data: t.data as Float32Array,
  shape: t.dims,
  dtype: t.type as DType,
});
