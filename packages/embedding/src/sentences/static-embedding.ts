// A body without layers: every token has one vector wherever it stands, and a text the mean of them (sentence-transformers'
// StaticEmbedding; the bag of vectors of Joulin et al., 2016).
import type { Tensor } from '@brickwork/graph';
import { dropout, Embedding, normal, type Context, type Network, type NetworkInput, type Outputs } from '@brickwork/nn';

/** The body: `input_ids` and `attention_mask` (B, T) to `last_hidden_state` (B, T, C). */
export class StaticEmbedding implements Network {
  readonly config: { readonly vocab_size: number; readonly hidden_size: number };
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly embedding: Embedding;
  readonly #rate: number;
  /** @param rate the share of values dropped while training */
  constructor(vocabulary: number, width: number, rate = 0) {
    this.#rate = rate;
    this.config = { vocab_size: vocabulary, hidden_size: width };
    this.inputs = {
      input_ids: { dtype: 'int64', shape: ['B', 'T'], ids: { count: vocabulary } },
      attention_mask: { dtype: 'int64', shape: ['B', 'T'], optional: true },
    };
    this.embedding = new Embedding(vocabulary, width, normal(0.1));
  }
  trace({ input_ids: ids }: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    return { last_hidden_state: () => dropout(this.embedding.forward(ids!), this.#rate, ctx) }; // (B, T, C)
  }
}
