// A program in this thread: ONNX Runtime's session, run with named, checked inputs.
import type { DType } from '@brickwork/graph';
import * as ort from 'onnxruntime-node';
import { checkData, checkFeeds, checkOutputs, feedMap, isWritten, refuseShared } from './check-feeds.ts';
import { arrayOf } from './dtypes.ts';
import type { HostTensor } from './host-tensor.ts';
import { Profile, type Placement } from './profile.ts';
import type { Feeds, InputSpec, Outputs, Program, RunOptions } from './program.ts';
import { checkProviders, providerProblem, type Provider } from './providers.ts';

/** What a session needs to know, checked; as `CompileOptions`, with the defaults filled in. Can be sent to a thread. */
export interface SessionOptions {
  readonly providers: readonly Provider[];
  readonly threads: number | null;
  readonly memory: 'arena' | 'plain';
  readonly spinning: boolean;
  readonly allowInPlace: boolean;
  readonly profile: boolean;
}

/**
 * Opens the bytes of an ONNX model, or the model file at a path.
 *
 * @throws where the engine refuses the model or a provider.
 */
export async function openSession(model: Uint8Array | string, o: SessionOptions): Promise<SessionProgram> {
  checkProviders(o.providers);
  const beyondCpu = o.providers.some((p) => p !== 'cpu');
  const profile = o.profile || beyondCpu ? await Profile.begin() : null;
  try {
    const session = await create(model, {
      executionProviders: [...o.providers],
      logSeverityLevel: 4, // what goes wrong is thrown; the engine needn't print it too
      ...(o.threads && { intraOpNumThreads: o.threads }),
      ...(o.memory === 'plain' && { enableCpuMemArena: false, enableMemPattern: false }),
      ...(!o.spinning && { extra: { session: { intra_op: { allow_spinning: '0' } } } }),
      ...profile?.options,
    });
    try {
      return new SessionProgram(session, o, profile);
    } catch (error) {
      await session.release();
      throw error;
    }
  } catch (error) {
    await profile?.remove();
    throw error;
  }
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
    const message = (cause as Error).message.trim();
    const what = typeof model === 'string' ? model : `a model of ${model.length} bytes`;
    throw new Error(
      providerProblem(o.executionProviders as string[], message) ?? `compile: ONNX Runtime refused ${what}: ${message}`,
      { cause },
    );
  }
}

function specs(kind: string, metadata: readonly ort.InferenceSession.ValueMetadata[]): InputSpec[] {
  return metadata.map((m) => {
    if (!m.isTensor)
      throw new Error(`compile: ${kind} ${m.name} is not a tensor but a sequence or a map; not supported`);
    if (!Object.hasOwn(arrayOf, m.type)) throw new Error(`compile: ${kind} ${m.name} is ${m.type}; not supported`);
    return { name: m.name, shape: m.shape, dtype: m.type as DType };
  });
}

/** A program that computes in this thread, which it blocks meanwhile. */
export class SessionProgram implements Program {
  readonly inputs: readonly InputSpec[];
  readonly outputs: readonly InputSpec[];
  providers: readonly Provider[];
  readonly #allowInPlace: boolean;
  readonly #names: readonly string[];
  #session: ort.InferenceSession | null;
  // What is measured; until when; and what came out.
  #profile: Profile | null;
  readonly #firstRunOnly: boolean;
  #placement: Promise<Placement> | null = null;
  #ran = false;
  readonly #bound = new Map<string, HostTensor>();
  // Weights are the same tensors at every step; the engine's view of each is made once.
  readonly #views = new WeakMap<HostTensor, ort.Tensor>();

  constructor(session: ort.InferenceSession, o: SessionOptions, profile: Profile | null) {
    this.inputs = specs('input', session.inputMetadata);
    this.outputs = specs('output', session.outputMetadata);
    this.#names = this.outputs.map((output) => output.name);
    this.providers = o.providers;
    this.#allowInPlace = o.allowInPlace;
    this.#session = session;
    this.#profile = profile;
    this.#firstRunOnly = !o.profile;
  }

  async run(feeds: Feeds, outputs?: Outputs, { signal }: RunOptions = {}): Promise<Record<string, HostTensor>> {
    this.#open('run');
    signal?.throwIfAborted();
    const given = feedMap(feeds);
    checkFeeds(this.inputs, given, { bound: this.#bound });
    const own: Record<string, ort.Tensor> = {};
    for (const { name } of this.inputs)
      own[name] = this.#view('input', name, given.get(name) ?? this.#bound.get(name)!);
    if (isWritten(outputs)) {
      const names = Object.keys(outputs);
      checkOutputs(this.outputs, names);
      if (!this.#allowInPlace) refuseShared(new Map([...this.#bound, ...given]), outputs);
      const written: Record<string, ort.Tensor> = {};
      for (const name of names) written[name] = this.#view('output', name, outputs[name]!);
      await this.#compute(own, written, signal);
      return { ...outputs };
    }
    if (outputs) checkOutputs(this.outputs, outputs);
    const names = outputs ?? this.#names;
    const results = await this.#compute(own, names, signal);
    const tensors: Record<string, HostTensor> = {};
    for (const name of names) tensors[name] = fromEngine(results[name]!);
    return tensors;
  }

  async #compute(
    feeds: Record<string, ort.Tensor>,
    fetches: readonly string[] | Record<string, ort.Tensor>,
    signal: AbortSignal | undefined,
  ): Promise<ort.InferenceSession.OnnxValueMapType> {
    let results: ort.InferenceSession.OnnxValueMapType;
    try {
      results = await this.#session!.run(feeds, fetches as string[]);
    } catch (cause) {
      this.#open('run');
      throw new Error(`run: ONNX Runtime failed: ${(cause as Error).message.trim()}`, { cause });
    }
    this.#ran = true;
    if (this.#profile && this.#firstRunOnly) await this.placement();
    signal?.throwIfAborted();
    return results;
  }

  async bind(feeds: Feeds): Promise<void> {
    this.#open('bind');
    const given = feedMap(feeds);
    checkFeeds(this.inputs, given, { who: 'bind', partial: true });
    for (const [name, tensor] of given) checkData(`input ${name}`, tensor, 'bind');
    for (const [name, tensor] of given) this.#bound.set(name, tensor);
  }

  async placement(): Promise<Placement> {
    const session = this.#open('placement');
    if (!this.#profile && !this.#placement)
      throw new Error('placement: nothing was measured, and all of it ran on the CPU; compile with { profile: true }');
    if (!this.#ran) throw new Error('placement: nothing ran yet; call run first');
    this.#placement ??= this.#profile!.end(session);
    this.#profile = null;
    const placement = await this.#placement;
    this.providers = Object.keys(placement.nodes) as Provider[];
    return placement;
  }

  async dispose(): Promise<void> {
    const session = this.#session;
    const profile = this.#profile;
    this.#session = null;
    this.#profile = null;
    this.#bound.clear();
    await session?.release();
    await profile?.remove(); // after the session, which writes the file at its end
  }

  #open(who: string): ort.InferenceSession {
    if (!this.#session) throw new Error(`${who}: the program was disposed; compile it again`);
    return this.#session;
  }

  #view(kind: string, name: string, tensor: HostTensor): ort.Tensor {
    let view = this.#views.get(tensor);
    if (!view) {
      checkData(`${kind} ${name}`, tensor);
      if (tensor.data.buffer instanceof SharedArrayBuffer)
        throw new Error(
          `run: ${kind} ${name} is in a SharedArrayBuffer, which the engine refuses; copy it to an ArrayBuffer`,
        );
      view = toEngine(tensor);
      this.#views.set(tensor, view);
    }
    return view;
  }
}

function toEngine({ data, dtype, shape }: HostTensor): ort.Tensor {
  if (dtype !== 'float16') return new ort.Tensor(dtype as ort.Tensor.Type, data as Float32Array, shape);
  // Where JavaScript has a Float16Array (Node 24), the engine's tensors of float16 hold that, which its own native part
  // then takes for empty ('not enough space'). It reads the bits themselves from a tensor that is called float16 later.
  const tensor = new ort.Tensor('uint16', data as Uint16Array, shape);
  (tensor as { type: ort.Tensor.Type }).type = 'float16';
  return tensor;
}

function fromEngine(t: ort.Tensor): HostTensor {
  const data = t.data as Float32Array;
  const dtype = t.type as DType;
  // Where JavaScript has a Float16Array, the engine gives that; here float16 is its bits everywhere.
  if (dtype === 'float16' && !((data as unknown) instanceof Uint16Array))
    return { data: new Uint16Array(data.buffer, data.byteOffset, data.length), shape: t.dims, dtype };
  return { data, shape: t.dims, dtype };
}
