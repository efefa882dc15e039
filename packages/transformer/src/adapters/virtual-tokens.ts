// Learned tokens that stand before a text: vectors in place of embeddings (prompt tuning: Lester et al., 2021), or keys and
// values for every layer (prefix tuning: Li and Liang, 2021).
import {
  add,
  cast,
  concat,
  constant,
  gather,
  greater,
  mul,
  not,
  range,
  reshape,
  sizeOf,
  slice,
  unsqueeze,
  where,
  zerosLike,
  type Tensor,
} from '@brickwork/graph';
import { Embedding, normal, parameter } from '@brickwork/nn';
import type { Context, NetworkInput, Network, Outputs, Parameter } from '@brickwork/nn';
import type { Past } from '../attention.ts';
import { isCausalLM, type CausalLM, type ForwardOptions, type Hidden } from '../causal-lm.ts';
import { layerOutputs, once } from '../causal-outputs.ts';
import { causalMask } from '../mask.ts';
import type { PrefixConfig, PromptConfig } from './peft-config.ts';

/**
 * A causal model with learned tokens before every text. Its parameters are the model's under their own names, and
 * `prompt_embeddings` in PEFT's shape: (n, C), or (n, 2 · layers · H · D) for a prefix.
 */
export class WithVirtualTokens implements CausalLM {
  readonly config: CausalLM['config'];
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly longest: Readonly<Record<string, number>>;
  /** How many tokens of a text it sees beside the learned ones. */
  readonly contextLength: number;
  readonly layers: number;
  readonly windows: readonly (number | null)[];
  readonly cacheHeads: number;
  readonly headWidth: number;
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
    ({ layers: this.layers, windows: this.windows } = network);
    ({ cacheHeads: this.cacheHeads, headWidth: this.headWidth } = network);
    this.contextLength = network.contextLength - n;
    if (!(this.contextLength > 0))
      throw new Error(`adapter: ${n} learned tokens, but the model sees ${network.contextLength}; use fewer`);
    this.longest = { ...network.longest, ...(network.longest?.['T'] !== undefined && { T: this.contextLength }) };
    const { input_ids, attention_mask, labels } = network.inputs;
    this.inputs = { input_ids: input_ids!, attention_mask: attention_mask!, labels: labels! };
    this.prompt_embeddings = parameter([n, width], normal(this.#isPrefix ? 1 : 0.02));
    if (!this.#isPrefix)
      embedding.adapter = {
        // Ids beyond the vocabulary stand for the learned vectors.
        forward: (ids, own) => {
          const count = own.weight.shape[0] as number;
          const isLearned = greater(ids, id(count - 1));
          const is = cast(isLearned, 'int64');
          const isToken = cast(not(isLearned), 'int64');
          const learned = gather(this.prompt_embeddings, mul(add(ids, id(-count)), is)); // (B, T, C)
          return where(unsqueeze(isLearned, -1), learned, own.plain(mul(ids, isToken)));
        },
      };
  }

  /** How PEFT's configuration describes the network. */
  get shape(): Readonly<Record<string, number>> {
    const { layers: num_layers, cacheHeads: num_attention_heads, headWidth } = this.#model;
    const width = this.prompt_embeddings.shape[1] as number;
    return { num_layers, num_attention_heads, token_dim: this.#isPrefix ? num_attention_heads * headWidth : width };
  }

  /**
   * The first pass, or one that goes on from its keys and values. `last` and `all` are of the tokens of the text, `present` of
   * the learned ones before them as well.
   */
  forward(ids: Tensor, ctx: Context, o: ForwardOptions = {}): Hidden {
    if (o.past) return this.#model.forward(ids, ctx, o);
    const { positions: _, lengths, ...rest } = o;
    const hidden = this.#first(ids, ctx, { ...rest, ...(lengths && { lengths: lengths.add(id(this.#n)) }) });
    const past = this.#isPrefix ? this.#past() : [];
    const own = (x: Tensor): Tensor => (this.#isPrefix ? x : slice(x, 1, this.#n));
    // The prefix' keys or values once for each row.
    const before = (x: Tensor, rows: Tensor): Tensor => add(x, zerosLike(slice(slice(rows, 2, 0, 1), 3, 0, 1)));
    return {
      ...hidden,
      last: own(hidden.last),
      all: hidden.all.map(own),
      present: hidden.present.map(({ key, value }, layer) =>
        this.#isPrefix
          ? {
              key: concat([before(past[layer]!.key, key), key], 2),
              value: concat([before(past[layer]!.value, value), value], 2),
            }
          : { key, value },
      ),
    };
  }

  head(hidden: Tensor): Tensor {
    return this.#model.head(hidden);
  }

  loss(hidden: Tensor, labels: Tensor, o?: { readonly shift?: boolean }): Tensor {
    return this.#model.loss(hidden, labels, o);
  }

  /** As PEFT's models: with a prompt, what is given for each token is given for the learned ones before them as well. */
  trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    const { input_ids: ids, attention_mask: attentionMask, labels } = inputs;
    const hidden = this.#first(ids!, ctx, attentionMask ? { attentionMask } : {});
    const logits = once(() => this.head(hidden.last)); // prompt: (B, n+T, V); prefix: (B, T, V)
    const target = labels && (this.#isPrefix ? labels : concat([this.#before(labels, () => -100), labels], 1));
    return {
      logits,
      ...(target && { loss: () => this.loss(hidden.last, target) }),
      last_hidden_state: () => hidden.last,
      ...layerOutputs(hidden),
    };
  }

  // (B, n) of one value each.
  #before(like: Tensor, value: (i: number) => number): Tensor {
    const column = zerosLike(slice(like, 1, 0, 1)); // (B, 1)
    const row = Float32Array.from({ length: this.#n }, (_, i) => value(i));
    return cast(add(column, constant(row, [1, this.#n])), 'int64');
  }

  // A pass over whole texts: hidden states (B, n+T, C) with a prompt, (B, T, C) with a prefix.
  #first(ids: Tensor, ctx: Context, { attentionMask: mask, ...o }: ForwardOptions): Hidden {
    const attentionMask = mask && concat([this.#before(mask, () => 1), mask], 1); // (B, n+T)
    const seen = attentionMask ? { attentionMask } : {};
    if (this.#isPrefix) {
      const positions = this.#positions(ids);
      return this.#model.forward(ids, ctx, { ...o, ...seen, past: this.#past(), positions, mask: this.#mask(ids) });
    }
    const V = this.config.vocab_size;
    const all = concat([this.#before(ids, (i) => V + i), ids], 1); // (B, n+T)
    return this.#model.forward(all, ctx, { ...o, ...seen });
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
    return unsqueeze(add(range(sizeOf(ids, 1), ids.shape[1]!), id(this.#n)), 0);
  }

  // All see the learned tokens: (T, n+T).
  #mask(ids: Tensor): Tensor {
    const causal = causalMask(ids, 1);
    const seen = add(zerosLike(slice(causal, 1, 0, 1)), constant(new Float32Array(this.#n), [1, this.#n])); // (T, n)
    return concat([seen, causal], 1);
  }
}

const id = (value: number): Tensor => constant(BigInt64Array.of(BigInt(value)), []);

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
