// A network with its weights, as its folder holds them: run it by the names of its outputs, or let it generate.
import { input, type DType } from '@brickwork/graph';
import { evaluating, parameters, type Network } from '@brickwork/nn';
import {
  compile,
  ConstantWeights,
  usedBy,
  type CompileOptions,
  type HostTensor,
  type Program,
} from '@brickwork/runtime';
import type { RunOptions } from '@brickwork/runtime';
import { loadTokenizer, type Tokenizer } from '@brickwork/tokenizer';
import type { Architecture, BuiltNetwork, Config } from './architecture.ts';
import { isCausalLM, type CausalLM } from './causal-lm.ts';
import { checkInputs } from './check-inputs.ts';
import { CachedDecoder, type DecoderOptions } from './decoder.ts';
import { nearest } from './generation/nearest.ts';
import { storedTypes } from './quantize-model.ts';
import { saveModel, type SaveModelOptions } from './save.ts';

/** What a model is made of. */
export interface ModelParts extends BuiltNetwork {
  /** Every parameter's values by name; shared by all graphs of the model. */
  readonly weights: ReadonlyMap<string, HostTensor>;
  /** config.json as it was read. */
  readonly config: Config;
  /** generation_config.json, or an empty object. */
  readonly generationConfig?: Config;
  /** Where it was read from; null where it wasn't. */
  readonly folder?: string | null;
  /** Tensors of the checkpoint that the class has no place for. */
  readonly unused?: readonly string[];
  /** Parameters that the checkpoint lacked and that begin anew. */
  readonly initialized?: readonly string[];
}

/** How a model runs. */
export interface ModelOptions extends CompileOptions {
  /**
   * `int8` multiplies its matrices in whole numbers of 8 bits, with activations that are rounded as they come, in about half the
   * time; `fp32` unless given. For {@link Model.run}; decoders have a type of their own.
   */
  readonly dtype?: 'fp32' | 'int8';
}

/** Extras of one {@link Model.run}. */
export interface ModelRunOptions extends RunOptions {
  /** Values that take the place of the model's own in this run: an adapter's. Nothing is compiled anew for them. */
  readonly weights?: ReadonlyMap<string, HostTensor>;
}

/** A network ready to run. */
export class Model {
  readonly network: Network;
  readonly architecture: Architecture;
  readonly className: string;
  readonly weights: ReadonlyMap<string, HostTensor>;
  readonly config: Config;
  readonly generationConfig: Config;
  readonly folder: string | null;
  readonly unused: readonly string[];
  readonly initialized: readonly string[];
  /** How its matrices are multiplied. */
  readonly dtype: NonNullable<ModelOptions['dtype']>;
  /** How the engine runs it. */
  readonly compileOptions: CompileOptions;
  readonly #programs = new Map<string, Promise<Program>>();

  /** @throws where the options name a type that there isn't. */
  constructor(parts: ModelParts, { dtype = 'fp32', ...options }: ModelOptions = {}) {
    if (dtype !== 'fp32' && dtype !== 'int8')
      throw new Error(`Model: dtype is ${JSON.stringify(dtype)}; there are fp32, int8`);
    this.dtype = dtype;
    parameters(parts.network); // names them
    this.network = parts.network;
    this.architecture = parts.architecture;
    this.className = parts.className;
    this.weights = parts.weights;
    this.config = parts.config;
    this.generationConfig = parts.generationConfig ?? {};
    this.folder = parts.folder ?? null;
    this.unused = parts.unused ?? [];
    this.initialized = parts.initialized ?? [];
    this.compileOptions = options;
  }

  /**
   * Computes outputs by name: `logits`, `loss`, `last_hidden_state`, `pooler_output`, `hidden_states.3`, `attentions.0`,
   * `log_probs`, …; what isn't asked for isn't computed. Each set of names is compiled once, for inputs of any size.
   *
   * @param inputs by Hugging Face's names (`network.inputs` lists them): input_ids, attention_mask, labels, …
   * @throws where an input is missing or unknown or holds ids that aren't there, or no output has such a name with these inputs.
   */
  async run(
    inputs: Readonly<Record<string, HostTensor>>,
    outputs: readonly string[],
    { weights, ...options }: ModelRunOptions = {},
  ): Promise<Record<string, HostTensor>> {
    options.signal?.throwIfAborted();
    if (weights && this.dtype !== 'fp32')
      throw new Error(`${this.className}: other weights for one run need dtype fp32; this is ${this.dtype}`);
    const names = Object.keys(inputs).toSorted();
    const wanted = [...new Set(outputs)].toSorted();
    const types = names.map((name) => inputs[name]!.dtype);
    const key = JSON.stringify([names, types, wanted]);
    let program = this.#programs.get(key);
    if (!program) {
      program = this.#compile(names, types, wanted);
      this.#programs.set(key, program);
      program.catch(() => this.#programs.delete(key));
    }
    const compiled = await program;
    checkInputs(this.className, this.network, inputs);
    const given = new Map([...(weights ?? []), ...Object.entries(inputs)]);
    return compiled.run(usedBy(compiled, given), wanted, options);
  }

  /** How many graphs {@link run} has compiled so far. */
  get compiled(): number {
    return this.#programs.size;
  }

  /** Reads the tokenizer of the model's folder. */
  tokenizer(): Promise<Tokenizer> {
    if (this.folder === null) throw new Error('tokenizer: the model came from no folder; load one with loadTokenizer');
    return loadTokenizer(this.folder);
  }

  /**
   * The network as a causal language model.
   *
   * @throws where it is something else.
   */
  get causalLM(): CausalLM {
    if (!isCausalLM(this.network)) throw new Error(`${this.className} is not a causal language model`);
    return this.network;
  }

  /**
   * What generation drives; dispose it when done. A model whose folder holds weights in few bits is run with those, unless
   * another `dtype` is asked for. One of more than 16 MB has a thread of its own, unless `worker` says otherwise: a pass of a
   * smaller one is over before anybody else would notice.
   */
  decoder(options: DecoderOptions = this.compileOptions): CachedDecoder {
    let bytes = 0;
    for (const { data } of this.weights.values()) bytes += data.byteLength;
    const usual = { worker: bytes > 2 ** 24, ...storedTypes(this.config) };
    return new CachedDecoder(this.causalLM, this.weights, { ...usual, ...options });
  }

  /**
   * Writes the model's folder in the Hugging Face layout; see {@link saveModel}.
   *
   * @throws where something can't be written; then nothing has changed.
   */
  save(folder: string, options?: SaveModelOptions): Promise<void> {
    return saveModel(this, folder, options);
  }

  /** Frees the engine's memory; the weights stay. */
  async dispose(): Promise<void> {
    const programs = [...this.#programs.values()];
    this.#programs.clear();
    for (const program of programs) await (await program).dispose();
  }

  async #compile(names: readonly string[], types: readonly DType[], wanted: readonly string[]): Promise<Program> {
    const known = this.network.inputs;
    for (const name of names)
      if (!Object.hasOwn(known, name))
        throw new Error(`${this.className}: no input is called ${name}; known are ${Object.keys(known).join(', ')}`);
    for (const [name, { optional }] of Object.entries(known))
      if (!optional && !names.includes(name)) throw new Error(`${this.className}: the input ${name} is missing`);
    const given = names.map((name, i) => {
      const usual = known[name]!;
      const { shape, dtype } = usual.or && usual.or.dtype === types[i] ? usual.or : usual;
      return [name, input(name, shape, dtype)] as const;
    });
    const outputs = this.network.trace(Object.fromEntries(given), evaluating());
    if (!wanted.length)
      throw new Error(`${this.className}: no outputs asked for; there are ${Object.keys(outputs).join(', ')}`);
    const chosen = wanted.map((name) => {
      if (Object.hasOwn(outputs, name)) return [name, outputs[name]!()] as const;
      const close = nearest(name, Object.keys(outputs));
      const missing = Object.keys(known).filter(
        (n) => /labels?$|^(start|end)_positions$/.test(n) && !names.includes(n),
      );
      const hint = name === 'loss' && missing.length ? `; it needs the input ${missing.join(' and ')}.` : '';
      throw new Error(
        `${this.className}: no output is called ${name}${hint || (close ? `; did you mean ${close}?` : '')} There are ${Object.keys(outputs).join(', ')}`,
      );
    });
    const traced = Object.fromEntries(chosen);
    const held =
      this.dtype === 'int8' ? new ConstantWeights(this.weights, { format: 'dynamic' }).apply(traced) : traced;
    const program = await compile(held, this.compileOptions);
    await program.bind(usedBy(program, this.weights));
    return program;
  }
}
