// A model's weights as constants of its graphs, where the engine can arrange them for its kernels: as they are, or in few bits
// where they are multiplied by or looked up in.
import {
  absent,
  constant,
  dynamicMatmul,
  gatherBlocks,
  matmulNBits,
  rewrite,
  type BlockFormat,
  type Node,
  type Tensor,
} from '@brickwork/graph';
import type { HostTensor } from '../host-tensor.ts';
import { toBlocks, type BlockMatrix } from './blocks.ts';
import type { StoredBlocks } from './stored-blocks.ts';
import { toColumns } from './columns.ts';

/** How a weight is held: 4 or 8 bits in blocks, or 8 bits against activations of 8 bits. */
export type WeightFormat = 'int4' | 'int8' | 'dynamic';

/** What is held in few bits, and how. */
export interface ConstantWeightsOptions {
  /** Of matrices; null, unless given, leaves all in float32. */
  readonly format?: WeightFormat | null;
  /** Values that share a scale in the formats with blocks; 32 unless given. */
  readonly blockSize?: BlockFormat['blockSize'];
  /** Another format for some weights; null leaves one in float32. */
  readonly formatOf?: (name: string) => WeightFormat | null;
}

/** The weights of one model, made constants once for all its graphs. */
export class ConstantWeights {
  readonly #weights: ReadonlyMap<string, HostTensor>;
  readonly #options: ConstantWeightsOptions;
  readonly #blocks = new Map<string, StoredBlocks & { readonly name: string }>();
  readonly #constants = new Map<string, Tensor>();

  constructor(weights: ReadonlyMap<string, HostTensor>, options: ConstantWeightsOptions = {}) {
    this.#weights = weights;
    this.#options = options;
  }

  /**
   * The graph with this model's weights inside: those of products with a matrix, and of tables that are looked up in, in few
   * bits, all others as they are. Inputs that are no weights stay inputs.
   */
  apply(outputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
    const inFewBits = rewrite(outputs, { node: (node, inputs) => this.#replace(node, inputs) });
    return rewrite(inFewBits, { leaf: (x) => this.#whole(x) });
  }

  /** The weights that are in blocks in what was applied so far, by name. */
  get blocks(): ReadonlyMap<string, StoredBlocks> {
    return new Map([...this.#blocks.values()].map(({ name, ...own }) => [name, own]));
  }

  #replace({ op, attrs }: Node, inputs: readonly Tensor[]): readonly Tensor[] | null {
    if (op.name === 'Add') return this.#biased(inputs);
    if (op.name === 'Gather') return this.#table(inputs, attrs as { axis: number });
    if (op.name !== 'MatMul' && op.name !== 'FusedMatMul' && op.name !== 'Gemm') return null;
    const o = attrs as { transA?: boolean; transB?: boolean; alpha?: number };
    const [x, w, bias = absent] = inputs as [Tensor, Tensor, Tensor?];
    const format = this.#formatOf(w);
    if (!format || o.transA || (o.alpha ?? 1) !== 1) return null;
    const transB = o.transB ?? false;
    const y = format === 'dynamic' ? this.#dynamic(x, w, transB) : this.#product(x, w, transB, format);
    return [bias === absent ? y : y.add(bias)];
  }

  #product(x: Tensor, w: Tensor, transB: boolean, format: 'int4' | 'int8'): Tensor {
    const { codes, scales, ...matrix } = this.#matrix(w, transB, format);
    const name = `${w.name}_${format}${transB ? '' : 't'}`;
    return matmulNBits(x, this.#constant(name, codes), this.#constant(`${name}_scales`, scales), matrix);
  }

  // A bias is added by the product itself.
  #biased([a, b]: readonly Tensor[]): readonly Tensor[] | null {
    for (const [y, bias] of [
      [a!, b!],
      [b!, a!],
    ] as const) {
      const isWeight = bias.name !== null && this.#weights.has(bias.name);
      if (y.node?.op.name !== 'MatMulNBits' || y.node.inputs.length > 3 || !isWeight) continue;
      const [x, codes, scales] = y.node.inputs as [Tensor, Tensor, Tensor];
      const matrix = y.node.attrs as Parameters<typeof matmulNBits>[3];
      if (String(bias.shape) === String([matrix.N])) return [matmulNBits(x, codes, scales, matrix, bias)];
    }
    return null;
  }

  #table([w, index]: readonly Tensor[], { axis }: { axis: number }): readonly Tensor[] | null {
    const format = axis === 0 ? this.#formatOf(w!) : null;
    if (!format || format === 'dynamic') return null;
    const { codes, scales, ...matrix } = this.#matrix(w!, true, format);
    if (matrix.K % matrix.blockSize) return null;
    const name = `${w!.name}_${format}`;
    return [gatherBlocks(this.#constant(name, codes), index!, this.#constant(`${name}_scales`, scales), matrix)];
  }

  #dynamic(x: Tensor, w: Tensor, transB: boolean): Tensor {
    const name = `${w.name}_q8${transB ? '' : 't'}`;
    if (!this.#constants.has(name)) {
      const [N, K] = (transB ? w.shape : w.shape.toReversed()) as [number, number];
      const made = toColumns(this.#data(w), { K, N, transposed: transB });
      this.#constant(name, made.codes);
      this.#constant(`${name}_scales`, made.scales);
    }
    const zero = constant(new Int8Array(1), []);
    return dynamicMatmul(x, this.#constants.get(name)!, this.#constants.get(`${name}_scales`)!, zero);
  }

  #matrix(w: Tensor, transB: boolean, format: 'int4' | 'int8'): BlockMatrix {
    const key = `${w.name} ${transB} ${format}`;
    let matrix = this.#blocks.get(key);
    if (!matrix) {
      const [N, K] = (transB ? w.shape : w.shape.toReversed()) as [number, number];
      const bits = format === 'int4' ? 4 : 8;
      const { blockSize = 32 } = this.#options;
      const made = toBlocks(this.#data(w), { N, K, bits, blockSize, transposed: !transB });
      matrix = { ...made, transposed: !transB, name: w.name! };
      this.#blocks.set(key, matrix);
    }
    return matrix;
  }

  #formatOf(w: Tensor): WeightFormat | null {
    if (w.node || !w.name || w.rank !== 2 || !this.#weights.has(w.name) || w.dtype !== 'float32') return null;
    const { format = null, formatOf = () => format } = this.#options;
    return formatOf(w.name);
  }

  #data(w: Tensor): Float32Array {
    return this.#weights.get(w.name!)!.data as Float32Array;
  }

  // A weight that stays as it is.
  #whole(x: Tensor): Tensor | null {
    const value = x.name && !x.data ? this.#weights.get(x.name) : undefined;
    return value ? this.#constant(x.name!, value) : null;
  }

  #constant(name: string, { data, shape, dtype }: HostTensor): Tensor {
    let found = this.#constants.get(name);
    if (!found) {
      found = constant(data, shape, dtype);
      this.#constants.set(name, found);
    }
    return found;
  }
}
