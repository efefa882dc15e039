// Embedding: one learned vector for each token (Bengio et al., 2003).
import { gather, type Tensor } from '@brickwork/graph';
import { normal, type Initializer } from './initializers.ts';
import { parameter, type Parameter } from './parameter.ts';

/** Rows of a table (V, C) by int64 id: (B, T) gives (B, T, C). Begins standard normal unless given. */
export class Embedding {
  readonly weight: Parameter;
  constructor(count: number, width: number, weight: Initializer = normal()) {
    this.weight = parameter([count, width], weight);
  }
  forward(ids: Tensor): Tensor {
    return gather(this.weight, ids); // (…ids, C)
  }
}
