// Embedding: one learned vector for each token (Bengio et al., 2003).
import {
  cast,
  constant,
  equal,
  gather,
  GraphError,
  mul,
  not,
  override,
  scatterAdd,
  unsqueeze,
  zerosLike,
  type Tensor,
} from '@brickwork/graph';
import { normal, type Initializer } from './initializers.ts';
import { parameter, type Parameter } from './parameter.ts';

/** What stands in an embedding's place and may use it. */
export interface EmbeddingAdapter {
  forward(ids: Tensor, embedding: Embedding): Tensor;
}

/**
 * Rows of a table (V, C) by int64 id: (B, T) gives (B, T, C). Begins standard normal unless given.
 *
 * The row of the id `padding` begins as zeros and gets no gradient from being looked up, as in PyTorch (`padding_idx`).
 */
export class Embedding {
  readonly weight: Parameter;
  readonly padding: number | null;
  /** Changes what is looked up (prompt tuning); none unless set. */
  adapter: EmbeddingAdapter | null = null;
  constructor(
    count: number,
    width: number,
    weight: Initializer = normal(),
    { padding = null }: { readonly padding?: number | null } = {},
  ) {
    if (padding !== null && !(Number.isInteger(padding) && padding >= 0 && padding < count))
      throw new GraphError(`Embedding: the padding's id is ${padding}; needs a whole number from 0 below ${count}`);
    this.padding = padding;
    this.weight = parameter([count, width], padding === null ? weight : withZeros(weight, padding));
  }
  forward(ids: Tensor): Tensor {
    return this.adapter?.forward(ids, this) ?? this.plain(ids);
  }
  /** What is looked up without an adapter. */
  plain(ids: Tensor): Tensor {
    const { weight, padding } = this;
    const y = gather(weight, ids); // (…ids, C)
    if (padding === null) return y;
    return override(y, [weight], (g) => {
      const pads = equal(ids, cast(constant(BigInt64Array.of(BigInt(padding)), []), ids.dtype));
      const own = mul(g, unsqueeze(cast(not(pads), 'float32'), -1)); // (…ids, C)
      return [scatterAdd(zerosLike(weight), ids.reshape([-1]), own.reshape([-1, weight.shape[1]!]))];
    });
  }
}

// The initializer with zeros in one row.
const withZeros =
  (initializer: Initializer, row: number): Initializer =>
  (data, shape, random) => {
    initializer(data, shape, random);
    data.fill(0, row * shape[1]!, (row + 1) * shape[1]!);
  };
