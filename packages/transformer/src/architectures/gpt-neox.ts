// GPT-NeoX (Black et al., 2022; Pythia, Biderman et al., 2023): attention and feed-forward side by side on one residual,
// and rotary positions on a part of each head's channels.
import { concat, matmul, show, slice, type Tensor } from '@brickwork/graph';
import { activation, dropout, Embedding, LayerNorm, Linear, normal, parameter } from '@brickwork/nn';
import type { Activation, Context, Parameter, Outputs } from '@brickwork/nn';
import type { Architecture } from '../architecture.ts';
import { attention, attentionWeights, type AttentionOutput, type Past } from '../attention.ts';
import { causalInputs, causalOutputs } from '../causal-outputs.ts';
import type { CausalLM, ForwardOptions, Hidden } from '../causal-lm.ts';
import { readConfig } from '../config.ts';
import { causalMask, paddingMask } from '../mask.ts';
import { nextTokenLoss } from '../next-token-loss.ts';
import { rotaryFrequencies, rotate, rotation, type RotaryFrequencies, type Rotation } from '../rope.ts';
import { throughBlocks, type BlockOutput } from '../through-blocks.ts';

/** The fields of config.json that change the computation, with Hugging Face's defaults. */
export interface GPTNeoXConfig {
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly hidden_act: string;
  /** Share of each head's channels that turns. */
  readonly rotary_pct: number;
  readonly rotary_emb_base: number;
  readonly attention_bias: boolean;
  readonly attention_dropout: number;
  readonly hidden_dropout: number;
  readonly layer_norm_eps: number;
  readonly use_parallel_residual: boolean;
  readonly initializer_range: number;
  readonly tie_word_embeddings: boolean;
}
const defaults: GPTNeoXConfig = {
  vocab_size: 50432,
  max_position_embeddings: 2048,
  hidden_size: 6144,
  intermediate_size: 24576,
  num_hidden_layers: 44,
  num_attention_heads: 64,
  hidden_act: 'gelu',
  rotary_pct: 0.25,
  rotary_emb_base: 10000,
  attention_bias: true,
  attention_dropout: 0,
  hidden_dropout: 0,
  layer_norm_eps: 1e-5,
  use_parallel_residual: true,
  initializer_range: 0.02,
  tie_word_embeddings: false,
};

// The channels up to the sines' width turn, the rest stay.
function rotatePart(x: Tensor, at: Rotation, turning: number): Tensor {
  const D = x.shape[3] as number;
  if (turning === D) return rotate(x, at);
  return concat([rotate(slice(x, 3, 0, turning), at), slice(x, 3, turning, D)], 3);
}

class Attention {
  readonly query_key_value: Linear;
  readonly dense: Linear;
  readonly #c: GPTNeoXConfig;
  readonly #turning: number;
  constructor(c: GPTNeoXConfig, turning: number) {
    const o = { bias: c.attention_bias, weight: normal(c.initializer_range) };
    this.#c = c;
    this.#turning = turning;
    this.query_key_value = new Linear(c.hidden_size, 3 * c.hidden_size, o);
    this.dense = new Linear(c.hidden_size, c.hidden_size, o);
  }
  forward(x: Tensor, ctx: Context, at: Rotation, mask: Tensor, past: Past | null): AttentionOutput {
    const { hidden_size: C, num_attention_heads: H, attention_dropout } = this.#c;
    const [B, T] = x.shape as [number, number];
    const D = C / H;
    // Query, key and value stand side by side within each head.
    const qkv = this.query_key_value
      .forward(x)
      .reshape([B, T, H, 3 * D])
      .permute([0, 2, 1, 3]); // (B, H, T, 3D)
    const key = rotatePart(slice(qkv, 3, D, 2 * D), at, this.#turning);
    const value = slice(qkv, 3, 2 * D, 3 * D);
    const q = rotatePart(slice(qkv, 3, 0, D), at, this.#turning);
    const o = attention(q, key, value, ctx, { mask, dropout: attention_dropout, past });
    const y = this.dense.forward(o.permute([0, 2, 1, 3]).reshape([B, T, C]));
    return { y, present: { key, value }, weights: () => attentionWeights(q, key, { mask, past }) };
  }
}

class MLP {
  readonly dense_h_to_4h: Linear;
  readonly dense_4h_to_h: Linear;
  readonly #act: Activation;
  constructor(c: GPTNeoXConfig) {
    const weight = normal(c.initializer_range);
    this.dense_h_to_4h = new Linear(c.hidden_size, c.intermediate_size, { weight });
    this.dense_4h_to_h = new Linear(c.intermediate_size, c.hidden_size, { weight });
    this.#act = activation(c.hidden_act);
  }
  forward(x: Tensor): Tensor {
    return this.dense_4h_to_h.forward(this.#act(this.dense_h_to_4h.forward(x)));
  }
}

class Block {
  readonly input_layernorm: LayerNorm;
  readonly post_attention_layernorm: LayerNorm;
  readonly attention: Attention;
  readonly mlp: MLP;
  readonly #c: GPTNeoXConfig;
  constructor(c: GPTNeoXConfig, turning: number) {
    const o = { epsilon: c.layer_norm_eps };
    this.#c = c;
    this.input_layernorm = new LayerNorm(c.hidden_size, o);
    this.post_attention_layernorm = new LayerNorm(c.hidden_size, o);
    this.attention = new Attention(c, turning);
    this.mlp = new MLP(c);
  }
  forward(x: Tensor, ctx: Context, at: Rotation, mask: Tensor, past: Past | null): BlockOutput {
    const { hidden_dropout: p, use_parallel_residual } = this.#c;
    const { y, present, weights } = this.attention.forward(this.input_layernorm.forward(x), ctx, at, mask, past);
    const attended = x.add(dropout(y, p, ctx));
    const from = use_parallel_residual ? x : attended;
    return {
      x: attended.add(dropout(this.mlp.forward(this.post_attention_layernorm.forward(from)), p, ctx)),
      present,
      weights,
    };
  }
}

class GPTNeoXModel {
  readonly embed_in: Embedding;
  readonly layers: readonly Block[];
  readonly final_layer_norm: LayerNorm;
  constructor(c: GPTNeoXConfig, turning: number) {
    this.embed_in = new Embedding(c.vocab_size, c.hidden_size, normal(c.initializer_range));
    this.layers = Array.from({ length: c.num_hidden_layers }, () => new Block(c, turning));
    this.final_layer_norm = new LayerNorm(c.hidden_size, { epsilon: c.layer_norm_eps });
  }
}

/** GPT-NeoX with its language-model head, in Hugging Face's weight names. */
export class GPTNeoXForCausalLM implements CausalLM {
  readonly config: GPTNeoXConfig;
  readonly gpt_neox: GPTNeoXModel;
  readonly embed_out: { readonly weight: Parameter };
  readonly #frequencies: RotaryFrequencies;
  constructor(config: Readonly<Record<string, unknown>>) {
    const c = readConfig('gpt_neox', config, defaults, { aliases: { rotary_emb_base: 'rope_theta' } });
    const D = c.hidden_size / c.num_attention_heads;
    const turning = Math.floor(D * c.rotary_pct);
    if (!Number.isInteger(D))
      throw new Error(
        `gpt_neox config: hidden_size ${c.hidden_size} doesn't divide into ${c.num_attention_heads} heads (num_attention_heads)`,
      );
    if (!(turning > 0 && turning <= D) || turning % 2)
      throw new Error(
        `gpt_neox config: rotary_pct ${c.rotary_pct} of ${D} channels turns ${turning}; needs an even number from 2`,
      );
    this.config = c;
    this.#frequencies = rotaryFrequencies(turning, {
      theta: c.rotary_emb_base,
      scaling: (config['rope_scaling'] ?? null) as Readonly<Record<string, unknown>> | null,
      context: c.max_position_embeddings,
    });
    this.gpt_neox = new GPTNeoXModel(c, turning);
    const { weight } = this.gpt_neox.embed_in;
    this.embed_out = {
      weight: c.tie_word_embeddings ? weight : parameter([c.vocab_size, c.hidden_size], normal(c.initializer_range)),
    };
  }
  readonly inputs: CausalLM['inputs'] = causalInputs;
  get contextLength(): number {
    return this.config.max_position_embeddings;
  }
  get layers(): number {
    return this.config.num_hidden_layers;
  }
  get cacheHeads(): number {
    return this.config.num_attention_heads;
  }
  get headWidth(): number {
    return this.config.hidden_size / this.config.num_attention_heads;
  }

  forward(ids: Tensor, ctx: Context, o: ForwardOptions = {}): Hidden {
    const { embed_in, layers, final_layer_norm } = this.gpt_neox;
    if (ids.rank !== 2) throw new Error(`gpt_neox: ids ${show(ids.shape)}; needs (B, T)`);
    const T = ids.shape[1]!;
    if (typeof T === 'number' && T > this.contextLength)
      throw new Error(
        `gpt_neox: a sequence of ${T} tokens, but max_position_embeddings is ${this.contextLength}; cut it`,
      );
    let mask = o.mask ?? causalMask(ids, 1);
    if (o.attentionMask) mask = mask.add(paddingMask(o.attentionMask));
    const at = rotation(this.#frequencies, ids, o.positions ?? null);
    const x = dropout(embed_in.forward(ids), this.config.hidden_dropout, ctx); // (B, T, C)
    return throughBlocks(
      x,
      layers,
      o.past,
      (block, input, past) => block.forward(input, ctx, at, mask, past),
      final_layer_norm,
    );
  }

  head(hidden: Tensor): Tensor {
    return matmul(hidden, this.embed_out.weight, { transB: true }); // (…, V)
  }

  trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    return causalOutputs(this, inputs, ctx);
  }

  loss(hidden: Tensor, labels: Tensor, o: { readonly shift?: boolean } = {}): Tensor {
    return nextTokenLoss(hidden, this.embed_out.weight, labels, o);
  }
}

/** GPT-NeoX's and Pythia's checkpoints. */
export const gptNeoX: Architecture = {
  classes: { GPTNeoXForCausalLM: (config) => new GPTNeoXForCausalLM(config) },
  prefix: 'gpt_neox.',
  // Old checkpoints carry the causal mask and the frequencies as buffers.
  sanitize: (name) => (/\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/.test(name) ? null : name),
  tied: ['embed_out.weight'],
};
