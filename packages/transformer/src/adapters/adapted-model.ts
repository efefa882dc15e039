// One model with several adapters at once, switched from call to call: their values are inputs of one compiled graph.
import type { Network } from '@brickwork/nn';
import type { HostTensor, RunOptions } from '@brickwork/runtime';
import { CachedDecoder, type DecoderOptions } from '../decoder.ts';
import type { SharedPrograms } from '../decoder-programs.ts';
import { Model } from '../model.ts';
import { Seq2SeqDecoder } from '../seq2seq-decoder.ts';
import { isSeq2Seq } from '../seq2seq.ts';
import { targetDefaults } from '../generation/target-defaults.ts';
import { adaptNetwork, checkAdapter } from './adapt.ts';
import { mergeAdapter } from './merge.ts';
import type { AdapterConfig } from './peft-config.ts';
import { readAdapter, type Adapter } from './peft-folder.ts';
import { switchAdapters, type AdaptedNetwork } from './switching.ts';

/** Which adapter a call is for. */
export interface WithAdapter {
  /** Its name; the model without one where null, or unless given. */
  readonly adapter?: string | null;
}

// Adapters that share graphs, and those graphs.
interface Group {
  readonly model: Model;
  readonly programs: SharedPrograms;
  readonly values: ReadonlyMap<string, ReadonlyMap<string, HostTensor>>;
}

/**
 * A model that any of several adapters can be put on for one call. All LoRAs, DoRAs, (IA)³ and bottlenecks share one network,
 * with room for the largest of them in every layer that one of them is for, and the model without an adapter is the same
 * network with neutral values; each set of outputs is thus compiled once, however many adapters there are. Prompts and
 * prefixes share one for each number of learned tokens. The model's own weights stay as they are and are shared by all.
 */
export class AdaptedModel {
  /** What each adapter is, by name. */
  readonly adapters: ReadonlyMap<string, AdapterConfig>;
  readonly #model: Model;
  readonly #adapted: ReadonlyMap<string, AdaptedNetwork>;
  readonly #groups: readonly Group[];

  /**
   * @param model stays as it is; dispose it apart from this
   * @param adapters by the names that calls will give them
   * @throws where an adapter doesn't fit the model: a layer or tensor is missing, unknown, or of another shape.
   */
  constructor(model: Model, adapters: Readonly<Record<string, Adapter>>) {
    const all = Object.entries(adapters);
    this.#model = model;
    this.adapters = new Map(all.map(([name, { config }]) => [name, config]));
    this.#adapted = new Map(all.map(([name, adapter]) => [name, fitted(this.#fresh(), name, adapter)]));
    const members = new Map<string, string[]>();
    const activation = [...this.#adapted.values()].find((one) => one.activation !== null)?.activation;
    // Without an adapter, or where adapters can share its graphs.
    members.set(`layers ${activation ?? null}`, []);
    for (const [name, one] of this.#adapted) {
      const config = this.adapters.get(name)!;
      const key =
        'num_virtual_tokens' in config
          ? `${config.peft_type} ${config.num_virtual_tokens}`
          : `layers ${one.activation ?? activation ?? null}`;
      members.set(key, [...(members.get(key) ?? []), name]);
    }
    this.#groups = [...members.values()].map((names) => this.#group(names));
  }

  /**
   * Reads adapters from folders in PEFT's format.
   *
   * @param folders by the names that calls will give them: `{ poet: 'adapters/poet', pirate: 'adapters/pirate' }`
   * @throws where a folder can't be read, or an adapter doesn't fit the model.
   */
  static async load(
    model: Model,
    folders: Readonly<Record<string, string>>,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<AdaptedModel> {
    const read = Object.entries(folders).map(
      async ([name, folder]) => [name, await readAdapter(folder, options)] as const,
    );
    return new AdaptedModel(model, Object.fromEntries(await Promise.all(read)));
  }

  /** As {@link Model.run}, with one of the adapters. */
  async run(
    inputs: Readonly<Record<string, HostTensor>>,
    outputs: readonly string[],
    { adapter, ...options }: WithAdapter & RunOptions = {},
  ): Promise<Record<string, HostTensor>> {
    const { model, values } = this.#find(adapter);
    return model.run(inputs, outputs, { ...options, weights: values });
  }

  /**
   * What generation drives, with one of the adapters; those of adapters that share graphs share compiled programs, so that
   * making one is cheap. Dispose it when done, and this model at the end.
   *
   * @throws where the model doesn't write text.
   */
  decoder({ adapter, ...options }: WithAdapter & Pick<DecoderOptions, 'hiddenStates'> = {}):
    | CachedDecoder
    | Seq2SeqDecoder {
    const { model, programs, values } = this.#find(adapter);
    const { network, weights, compileOptions } = model;
    const all = { ...compileOptions, ...options, programs, weights: values };
    if (isSeq2Seq(network))
      return new Seq2SeqDecoder(network, weights, { ...all, defaults: targetDefaults(this.#model) });
    return new CachedDecoder(model.causalLM, weights, all);
  }

  /**
   * A model of its own with an adapter folded into copies of the weights that it changes; see {@link mergeAdapter}.
   *
   * @throws where no weights can stand for it.
   */
  merged(adapter: string): Model {
    this.#find(adapter);
    const { network, tensors } = this.#adapted.get(adapter)!;
    if (!this.#canMerge(adapter))
      throw new Error(`adapter ${adapter}: ${this.adapters.get(adapter)!.peft_type} can't be merged; LORA and IA3 can`);
    const weights = mergeAdapter(network, new Map([...this.#model.weights, ...tensors]));
    return new Model({ ...this.#parts(), network: this.#fresh(), weights }, this.#model.compileOptions);
  }
  #canMerge(adapter: string): boolean {
    return ['LORA', 'IA3'].includes(this.adapters.get(adapter)!.peft_type);
  }

  /** How many graphs are compiled so far, for outputs and for generation. */
  get compiled(): number {
    return this.#groups.reduce((n, { model, programs }) => n + model.compiled + programs.size, 0);
  }

  /** Frees the engine's memory; the model that this was made of stays. */
  async dispose(): Promise<void> {
    for (const { model, programs } of this.#groups) {
      const compiled = [...programs.values()];
      programs.clear();
      await model.dispose();
      for (const program of compiled) await (await program).dispose();
    }
  }

  #find(adapter: string | null | undefined): Omit<Group, 'values'> & { values: ReadonlyMap<string, HostTensor> } {
    if (adapter === null || adapter === undefined) return { ...this.#groups[0]!, values: new Map() };
    for (const { model, programs, values } of this.#groups) {
      const own = values.get(adapter);
      if (own) return { model, programs, values: own };
    }
    throw new Error(
      `no adapter is called ${JSON.stringify(adapter)}; there are ${[...this.adapters.keys()].join(', ') || 'none'}`,
    );
  }

  #fresh(): Network {
    const { architecture, className, config } = this.#model;
    return architecture.classes[className]!(config);
  }

  #parts(): Pick<Model, 'architecture' | 'className' | 'config' | 'generationConfig' | 'folder'> {
    const { architecture, className, config, generationConfig, folder } = this.#model;
    return { architecture, className, config, generationConfig, folder };
  }

  #group(names: readonly string[]): Group {
    const { weights: base, compileOptions } = this.#model;
    const adapted = names.map((name) => this.#adapted.get(name)!);
    const [first] = adapted;
    const isVirtual = first !== undefined && 'num_virtual_tokens' in this.adapters.get(names[0]!)!;
    const { network, neutral, values } = isVirtual
      ? { network: first.network, neutral: first.tensors, values: adapted.map(({ tensors }) => tensors) }
      : switchAdapters(this.#fresh(), base, adapted);
    const weights = new Map([...base, ...neutral]);
    return {
      model: new Model({ ...this.#parts(), network, weights }, compileOptions),
      programs: new Map(),
      values: new Map(names.map((name, i) => [name, values[i]!])),
    };
  }
}

function fitted(fresh: Network, name: string, { config, tensors }: Adapter): AdaptedNetwork {
  const network = adaptNetwork(fresh, config);
  checkAdapter(network, tensors, `adapter ${name}`);
  return { network, tensors, activation: config.peft_type === 'BOTTLENECK' ? config.non_linearity : null };
}
