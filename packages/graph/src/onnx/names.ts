// Names for every value of a graph, the same whenever the same program is named: what files and pictures show.
import { topologicalOrder } from '../order.ts';
import { absent, show, type Data, type Node, type Tensor } from '../tensor.ts';
import { OnnxError } from './error.ts';
import { originOf } from './imported.ts';

/** The bytes of a typed array, not copied. */
export const bytesOf = (data: Data): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** The value that a tensor stands for: that of its first input where it only carries a gradient of one's own. */
export function source(x: Tensor): Tensor {
  let y = x;
  while (y.node && isAlias(y.node)) y = y.node.inputs[0]!;
  return y;
}
const isAlias = ({ op, inputs, outputs }: Node): boolean =>
  op.name === 'Alias' && inputs.length > 0 && outputs.length === 1 && !originOf(outputs[0]!);

/** One constant of the file; equal ones share it. */
export interface NamedConstant {
  readonly name: string;
  readonly tensor: Tensor;
}

/** Names all values that the outputs need. */
export class Names {
  /** Nodes in the order in which they can run. */
  readonly nodes: readonly Node[];
  /** Graph inputs by name, in order of first use. */
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** Constants of different type, shape or bytes, in order of first use. */
  readonly constants: readonly NamedConstant[];
  readonly #names = new Map<Tensor, string>([[absent, '']]);
  readonly #used: Set<string>;
  readonly #tried = new Map<string, number>();
  #counter = 0;

  /**
   * @param who whom errors name.
   * @param outputs values by the names they must have.
   * @param declared inputs that come first and are there even where no node reads them.
   * @throws where an input has no name or shares it with another input or an output.
   */
  constructor(who: string, outputs: Readonly<Record<string, Tensor>>, declared: readonly Tensor[] = []) {
    const results = Object.entries(outputs);
    for (const [key, x] of results) {
      if (!key) throw new OnnxError(`${who}: an output has an empty name`);
      if (x === absent) throw new OnnxError(`${who}: output ${key} is the value that stands for a left-out input`);
    }
    this.#used = new Set(results.map(([key]) => key));
    this.nodes = topologicalOrder(Object.values(outputs)).filter((n) => !isAlias(n));
    // A result takes its output's name, so that no copy of it is made, unless it has taken another's.
    for (const [key, x] of results) {
      const y = source(x);
      if (y.node && !this.#names.has(y)) this.#names.set(y, key);
    }
    // Inputs first, so that no inner value takes one of their names.
    const inputs = new Map<string, Tensor>();
    const addInput = (x: Tensor): void => {
      if (x.node || x.data || this.#names.has(x)) return;
      if (!x.name) throw new OnnxError(`${who}: an input ${show(x.shape)} has no name; call parameters(model) first`);
      if (inputs.has(x.name)) throw new OnnxError(`${who}: two inputs are called ${x.name}`);
      if (this.#used.has(x.name) && (!Object.hasOwn(outputs, x.name) || source(outputs[x.name]!) !== x))
        throw new OnnxError(`${who}: an input and an output are both called ${x.name}`);
      inputs.set(x.name, x);
      this.#used.add(x.name);
      this.#names.set(x, x.name);
    };
    for (const x of declared) {
      if (x.node || x.data) throw new OnnxError(`${who}: ${String(x)} is listed as an input but isn't one`);
      addInput(x);
    }
    for (const { inputs: xs } of this.nodes) for (const x of xs) addInput(source(x));
    for (const [, x] of results) addInput(source(x));
    this.inputs = inputs;

    const constants = new Constants();
    const addConstant = (x: Tensor): void => {
      if (x.data && !this.#names.has(x))
        this.#names.set(
          x,
          constants.name(x, () => this.fresh(originOf(x)?.name ?? `constant_${constants.all.length}`)),
        );
    };
    for (const { op, inputs: xs, outputs: ys } of this.nodes) {
      for (const x of xs) addConstant(source(x));
      for (const y of ys)
        if (!this.#names.has(y))
          this.#names.set(y, this.#fromFile(y) ?? this.fresh(`${op.name.toLowerCase()}_${this.#counter++}`));
    }
    for (const [, x] of results) addConstant(source(x));
    this.constants = constants.all;
  }

  /** The name of a value; `''` for one that is left out. */
  of(x: Tensor): string {
    return this.#names.get(source(x))!;
  }

  /** A name like `base` that nothing has taken. */
  fresh(base: string): string {
    let name = base;
    let i = this.#tried.get(base) ?? 0;
    while (this.#used.has(name)) name = `${base}_${++i}`;
    if (i) this.#tried.set(base, i);
    this.#used.add(name);
    return name;
  }

  #fromFile(y: Tensor): string | undefined {
    const name = originOf(y)?.name;
    return name ? this.fresh(name) : name;
  }
}

// Constants of equal type, shape and bytes share one name: found by a hash of their beginning, confirmed byte by byte.
class Constants {
  readonly #byHash = new Map<string, NamedConstant[]>();
  readonly all: NamedConstant[] = [];
  name(tensor: Tensor, fresh: () => string): string {
    const bytes = bytesOf(tensor.data!);
    let hash = 0x811c9dc5;
    for (let i = 0; i < Math.min(bytes.length, 65536); i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    const key = `${tensor.dtype}${show(tensor.shape)}${hash}`;
    const same = this.#byHash.get(key) ?? [];
    this.#byHash.set(key, same);
    const found = same.find((c) => Buffer.compare(bytesOf(c.tensor.data!), bytes) === 0);
    if (found) return found.name;
    const own = { tensor, name: fresh() };
    same.push(own);
    this.all.push(own);
    return own.name;
  }
}
