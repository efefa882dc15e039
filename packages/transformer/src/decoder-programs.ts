// The compiled programs of a decoder, and the weights that they run with: the network's own, or others in their place.
import type { Tensor } from '@brickwork/graph';
import { compile, type CompileOptions, type HostTensor, type Program } from '@brickwork/runtime';

/** Compiled programs by what they compute. */
export type SharedPrograms = Map<string, Promise<Program>>;

/** Which weights programs run with. */
export interface DecoderProgramsOptions extends CompileOptions {
  /** Compiled programs that decoders of one network share, whatever their {@link weights}; who gives them frees them. */
  readonly programs?: SharedPrograms;
  /** Values that take the place of the network's own in this decoder: an adapter's. */
  readonly weights?: ReadonlyMap<string, HostTensor>;
}

/** Programs that are compiled when they are first needed. */
export class DecoderPrograms {
  readonly #compiled: SharedPrograms;
  readonly #isShared: boolean;
  readonly #weights: ReadonlyMap<string, HostTensor>;
  readonly #replaced: ReadonlyMap<string, HostTensor>;
  readonly #replacedIn = new WeakMap<Program, readonly [string, HostTensor][]>();
  readonly #options: CompileOptions;

  /** @param weights the network's own; they stay with each program, so that a step gives it only what is new. */
  constructor(
    weights: ReadonlyMap<string, HostTensor>,
    { programs, weights: replaced = new Map(), ...options }: DecoderProgramsOptions,
  ) {
    this.#compiled = programs ?? new Map();
    this.#isShared = programs !== undefined;
    this.#weights = weights;
    this.#replaced = replaced;
    this.#options = options;
  }

  /** Runs one, traced and compiled if it wasn't before. */
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
      own = this.#usedBy(program, this.#replaced);
      this.#replacedIn.set(program, own);
    }
    return program.run(new Map([...own, ...Object.entries(feeds)]));
  }

  /** Frees the programs, unless they are shared. */
  async dispose(): Promise<void> {
    if (this.#isShared) return;
    const programs = [...this.#compiled.values()];
    this.#compiled.clear();
    for (const program of programs) await (await program).dispose();
  }

  async #compile(outputs: Record<string, Tensor>): Promise<Program> {
    const program = await compile(outputs, this.#options);
    await program.bind(new Map(this.#usedBy(program, this.#weights)));
    return program;
  }

  #usedBy(program: Program, weights: ReadonlyMap<string, HostTensor>): [string, HostTensor][] {
    const used = new Set(program.inputs.map((i) => i.name));
    return [...weights].filter(([name]) => used.has(name));
  }
}
