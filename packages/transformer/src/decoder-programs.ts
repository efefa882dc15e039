// The compiled programs of a decoder, and the weights that they run with: the network's own, or others in their place.
import { fuseNorms, shareSizes, type Tensor } from '@brickwork/graph';
import {
  compile,
  ConstantWeights,
  usedBy,
  type CompileOptions,
  type ConstantWeightsOptions,
  type HostTensor,
  type Program,
  type WeightFormat,
} from '@brickwork/runtime';

/** Compiled programs by what they compute. */
export type SharedPrograms = Map<string, Promise<Program>>;

/** How the weights of products, and tables, are held while text is written. */
export const decoderTypes = ['fp32', 'int8', 'int4'] as const;
/** 32 bits, or blocks of 8 or 4 bits with a scale each. */
export type DecoderType = (typeof decoderTypes)[number];

/** Which weights programs run with. */
export interface DecoderProgramsOptions extends CompileOptions {
  /** Compiled programs that decoders of one network share, whatever their {@link weights}; who gives them frees them. */
  readonly programs?: SharedPrograms;
  /** Values that take the place of the network's own in this decoder: an adapter's. */
  readonly weights?: ReadonlyMap<string, HostTensor>;
  /** How weights are held; `fp32` unless given. Not for programs that are shared. */
  readonly dtype?: DecoderType;
  /** Another type for some weights; `dtype` for all unless given. */
  readonly dtypeOf?: (name: string) => DecoderType;
  /**
   * Values that share a scale in blocks: 16, 32, 64 or 128; 64 unless given, with which 4 bits take 4.5 a weight. Fewer are
   * nearer to the weights, and slower. With 64 and 4 bits a row alone is rounded differently from rows in a batch.
   */
  readonly blockSize?: 16 | 32 | 64 | 128;
}

/** Programs that are compiled when they are first needed. */
export class DecoderPrograms {
  readonly #compiled: SharedPrograms;
  readonly #isShared: boolean;
  readonly #weights: ReadonlyMap<string, HostTensor>;
  readonly #replaced: ReadonlyMap<string, HostTensor>;
  readonly #replacedIn = new WeakMap<Program, ReadonlyMap<string, HostTensor>>();
  readonly #options: CompileOptions;
  readonly #held: ConstantWeightsOptions;

  /**
   * @param weights the network's own. They become part of each program when it is compiled, where the engine arranges them for
   *   its kernels; those of shared programs stay inputs.
   */
  constructor(
    weights: ReadonlyMap<string, HostTensor>,
    {
      programs,
      weights: replaced = new Map(),
      dtype = 'fp32',
      dtypeOf = () => dtype,
      blockSize = 64,
      ...options
    }: DecoderProgramsOptions,
  ) {
    if (!decoderTypes.includes(dtype))
      throw new Error(`decoder: dtype is ${JSON.stringify(dtype)}; there are ${decoderTypes.join(', ')}`);
    if (programs && dtype !== 'fp32')
      throw new Error(`decoder: programs that are shared run in fp32; merge the adapter for ${dtype}`);
    this.#compiled = programs ?? new Map();
    this.#isShared = programs !== undefined;
    this.#weights = weights;
    this.#replaced = replaced;
    this.#options = options;
    const formatOf = (name: string): WeightFormat | null => {
      const own = dtype === 'fp32' ? dtype : dtypeOf(name);
      return own === 'fp32' ? null : own;
    };
    this.#held = { blockSize, formatOf };
  }

  /** Runs one, traced and compiled if it wasn't before. Values that the graph has no use for are left out. */
  async run(
    name: string,
    trace: () => Record<string, Tensor>,
    feeds: Readonly<Record<string, HostTensor>>,
  ): Promise<Record<string, HostTensor>> {
    let made = this.#compiled.get(name);
    if (!made) {
      made = this.#compile(trace());
      this.#compiled.set(name, made);
      made.catch(() => this.#compiled.delete(name));
    }
    const program = await made;
    let own = this.#replacedIn.get(program);
    if (!own) {
      own = this.#isShared ? usedBy(program, this.#replaced) : new Map();
      this.#replacedIn.set(program, own);
    }
    return program.run(new Map([...own, ...usedBy(program, feeds)]));
  }

  /** Frees the programs, unless they are shared. */
  async dispose(): Promise<void> {
    if (this.#isShared) return;
    const programs = [...this.#compiled.values()];
    this.#compiled.clear();
    for (const program of programs) await (await program).dispose();
  }

  async #compile(outputs: Record<string, Tensor>): Promise<Program> {
    if (!this.#isShared) return await compile(this.withWeights(outputs), this.#options);
    const program = await compile(fuseNorms(shareSizes(outputs)), this.#options);
    await program.bind(usedBy(program, this.#weights));
    return program;
  }

  /** The graph with its weights inside. */
  withWeights(outputs: Record<string, Tensor>): Record<string, Tensor> {
    const weights = new Map([...this.#weights, ...this.#replaced]);
    return new ConstantWeights(weights, this.#held).apply(fuseNorms(shareSizes(outputs)));
  }
}
