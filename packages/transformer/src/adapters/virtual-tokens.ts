// Learned tokens that stand before a text: vectors in place of embeddings (prompt tuning: Lester et al., 2021), or keys and
// values for every layer (prefix tuning: Li and Liang, 2021).
import {
  add,
  cast,
  concat,
  constant,
  range,
  reshape,
  sizeOf,
  slice,
  unsqueeze,
  zerosLike,
  type Tensor,
} from '@brickwork/graph';
import { Embedding, normal, parameter } from '@brickwork/nn';
import type { Context, NetworkInput, Network, Outputs, Parameter } from '@brickwork/nn';
import type { Past } from '../attention.ts';
import { isCausalLM, type CausalLM } from '../causal-lm.ts';
import { layerOutputs, once } from '../causal-outputs.ts';
import { causalMask } from '../mask.ts';
import type { PrefixConfig, PromptConfig } from './peft-config.ts';

/**
 * A causal model with learned tokens before every text. Its parameters are the model's under their own names, and
 * `prompt_embeddings` in PEFT's shape: (n, C), or (n, 2 · layers · H · D) for a prefix.
 */
export class WithVirtualTokens implements Network {
  readonly config: object;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly prompt_embeddings: Parameter;
  readonly #model: CausalLM;
  readonly #n: number;
  readonly #isPrefix: boolean;

  /** @param network built for this alone: its embedding is changed. */
  constructor(network: Network, { peft_type, num_virtual_tokens: n }: PrefixConfig | PromptConfig) {
    if (!isCausalLM(network))
      throw new Error(`adapter: ${peft_type} is implemented for causal language models only; use LORA or IA3`);
    this.#model = network;
    this.#n = n;
    this.#isPrefix = peft_type === 'PREFIX_TUNING';
    if (this.#isPrefix && network.windows.some((window) => window !== null))
      throw new Error('adapter: PREFIX_TUNING of a model with sliding windows is not implemented; use LORA or IA3');
    const embedding = tokenEmbedding(network);
    const width = this.#isPrefix
      ? 2 * network.layers * network.cacheHeads * network.headWidth
      : (embedding.weight.shape[1] as number);
    // The model's own bricks, so that its parameters have their names here too.
    Object.assign(this, network);
    this.config = network.config;
    const { input_ids, attention_mask, labels } = network.inputs;
    this.inputs = { input_ids: input_ids!, attention_mask: attention_mask!, labels: labels! };
    this.prompt_embeddings = parameter([n, width], normal(this.#isPrefix ? 1 : 0.02));
    if (!this.#isPrefix)
      embedding.adapter = {
        // The first n ids stand for the learned vectors.
        forward: (ids, own) => {
          const tokens = own.plain(slice(ids, 1, n)); // (B, T, C)
          return concat([add(zerosLike(own.plain(slice(ids, 1, 0, n))), this.prompt_embeddings), tokens], 1);
        },
      };
  }

  /** How PEFT's configuration describes the network. */
  get shape(): Readonly<Record<string, number>> {
    const { layers: num_layers, cacheHeads: num_attention_heads, headWidth } = this.#model;
    const width = this.prompt_embeddings.shape[1] as number;
    return { num_layers, num_attention_heads, token_dim: this.#isPrefix ? num_attention_heads * headWidth : width };
  }

  trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    const { input_ids: ids, attention_mask: mask, labels } = inputs;
    const before = (like: Tensor, value: number): Tensor => {
      // (B, n) of one value.
      const column = zerosLike(slice(like, 1, 0, 1)); // (B, 1)
      return cast(add(column, constant(new Float32Array(this.#n).fill(value), [1, this.#n])), 'int64');
    };
    const attentionMask = mask && concat([before(mask, 1), mask], 1); // (B, n+T)
    const model = this.#model;
    const hidden = this.#isPrefix
      ? model.forward(ids!, ctx, {
          past: this.#past(),
          positions: this.#positions(ids!),
          mask: this.#mask(ids!),
          ...(attentionMask && { attentionMask }),
        })
      : model.forward(concat([before(ids!, 0), ids!], 1), ctx, attentionMask ? { attentionMask } : {});
    const logits = once(() => model.head(hidden.last)); // prompt: (B, n+T, V); prefix: (B, T, V)
    const target = labels && (this.#isPrefix ? labels : concat([before(labels, -100), labels], 1));
    return {
      logits,
      ...(target && { loss: () => model.loss(hidden.last, target) }),
      last_hidden_state: () => hidden.last,
      ...layerOutputs(hidden),
    };
  }

  // Keys and values of the learned tokens, (1, H, n, D) each: layer by layer, first keys, then values.
  #past(): Past[] {
    const { layers, cacheHeads: H, headWidth: D } = this.#model;
    const all = reshape(this.prompt_embeddings, [this.#n, 2 * layers, H, D]).permute([1, 2, 0, 3]); // (2L, H, n, D)
    return Array.from({ length: layers }, (_, layer) => ({
      key: slice(all, 0, 2 * layer, 2 * layer + 1),
      value: slice(all, 0, 2 * layer + 1, 2 * layer + 2),
    }));
  }

  // Tokens are numbered after the learned ones: (1, T), n, n+1, ….
  #positions(ids: Tensor): Tensor {
    const first = constant(BigInt64Array.of(BigInt(this.#n)), []);
    return unsqueeze(add(range(sizeOf(ids, 1), ids.shape[1]!), first), 0);
  }

  // All see the learned tokens: (T, n+T).
  #mask(ids: Tensor): Tensor {
    const causal = causalMask(ids, 1);
    const seen = add(zerosLike(slice(causal, 1, 0, 1)), constant(new Float32Array(this.#n), [1, this.#n])); // (T, n)
    return concat([seen, causal], 1);
  }
}

/** The embedding of a network's tokens: the first that has a row for each of its vocabulary. */
function tokenEmbedding(network: CausalLM): Embedding {
  const seen = new Set<object>();
  const find = (brick: object): Embedding | null => {
    if (seen.has(brick) || ArrayBuffer.isView(brick)) return null;
    seen.add(brick);
    if (brick instanceof Embedding && brick.weight.shape[0] === network.config.vocab_size) return brick;
    for (const value of Object.values(brick)) {
      const found = typeof value === 'object' && value !== null ? find(value as object) : null;
      if (found) return found;
    }
    return null;
  };
  const found = find(network);
  if (!found) throw new Error('adapter: the network has no embedding of its vocabulary to put learned tokens before');
  return found;
}
