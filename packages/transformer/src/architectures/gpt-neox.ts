// GPT-NeoX (Black et al., 2022; Pythia, Biderman et al., 2023): attention and feed-forward side by side on one residual,
// and rotary positions on a part of each head's channels.
import { concat, slice, type Tensor } from '@brickwork/graph';
import { activation, dropout, Embedding, LayerNorm, Linear, normal } from '@brickwork/nn';
import type { Activation, Context, Parameter } from '@brickwork/nn';
import type { Architecture, Config } from '../architecture.ts';
import { attention, attentionWeights, type AttentionOutput, type Past } from '../attention.ts';
import { headClasses } from '../causal-heads.ts';
import type { ForwardOptions, Hidden } from '../causal-lm.ts';
import { readConfig } from '../config.ts';
import { checkLength, DecoderBody, LanguageModel, languageHead } from '../decoder-body.ts';
import { layerMasks } from '../mask.ts';
import { readRope, rotaryFrequencies, rotate, rotation, type RotaryFrequencies, type Rotation } from '../rope.ts';
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
      .forward(x, ctx)
      .reshape([B, T, H, 3 * D])
      .permute([0, 2, 1, 3]); // (B, H, T, 3D)
    const key = rotatePart(slice(qkv, 3, D, 2 * D), at, this.#turning);
    const value = slice(qkv, 3, 2 * D, 3 * D);
    const q = rotatePart(slice(qkv, 3, 0, D), at, this.#turning);
    const o = attention(q, key, value, ctx, { mask, dropout: attention_dropout, past });
    const y = this.dense.forward(o.permute([0, 2, 1, 3]).reshape([B, T, C]), ctx);
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
  forward(x: Tensor, ctx: Context): Tensor {
    return this.dense_4h_to_h.forward(this.#act(this.dense_h_to_4h.forward(x, ctx)), ctx);
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
      x: attended.add(dropout(this.mlp.forward(this.post_attention_layernorm.forward(from), ctx), p, ctx)),
      present,
      weights,
    };
  }
}

/** GPT-NeoX without a head. */
export class GPTNeoXModel extends DecoderBody<GPTNeoXConfig> {
  readonly embed_in: Embedding;
  readonly layers: readonly Block[];
  readonly final_layer_norm: LayerNorm;
  readonly #rotary: RotaryFrequencies;
  constructor(config: Config) {
    // Newer configurations say the share that turns among the other things about positions.
    const { partial_rotary_factor: part, ...rope } = (config['rope_parameters'] ?? {}) as Config;
    const { partial_rotary_factor: share = part, ...others } = config;
    const given = {
      ...others,
      ...(share !== undefined && { rotary_pct: share }),
      ...(Object.keys(rope).length && { rope_parameters: rope }),
    };
    const c = readConfig('gpt_neox', given, defaults, { aliases: { rotary_emb_base: 'rope_theta' } });
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
    // The older name of the base counts where both are there.
    const base = { ...given, ...(config['rotary_emb_base'] !== undefined && { rope_theta: c.rotary_emb_base }) };
    const { theta, ...read } = readRope('gpt_neox', base, {
      theta: c.rotary_emb_base,
      context: c.max_position_embeddings,
    });
    const rotary = rotaryFrequencies(turning, { theta, ...read });
    super(
      { ...c, rotary_emb_base: theta },
      {
        contextLength: rotary.reach,
        layers: c.num_hidden_layers,
        windows: Array<null>(c.num_hidden_layers).fill(null),
        cacheHeads: c.num_attention_heads,
        headWidth: D,
        width: c.hidden_size,
      },
    );
    this.#rotary = rotary;
    this.embed_in = new Embedding(c.vocab_size, c.hidden_size, normal(c.initializer_range));
    this.layers = Array.from({ length: c.num_hidden_layers }, () => new Block(c, turning));
    this.final_layer_norm = new LayerNorm(c.hidden_size, { epsilon: c.layer_norm_eps });
  }

  forward(ids: Tensor, ctx: Context, o: ForwardOptions = {}): Hidden {
    checkLength('gpt_neox', ids, this.shape.contextLength);
    const mask = layerMasks(ids, o)(null);
    const at = rotation(this.#rotary, ids, o);
    const x = dropout(this.embed_in.forward(ids), this.config.hidden_dropout, ctx); // (B, T, C)
    return throughBlocks(
      x,
      this.layers,
      o.past,
      (block, input, past) => block.forward(input, ctx, at, mask, past),
      this.final_layer_norm,
    );
  }
}

/** GPT-NeoX with its language-model head, in Hugging Face's weight names. */
export class GPTNeoXForCausalLM extends LanguageModel<GPTNeoXConfig> {
  readonly gpt_neox: GPTNeoXModel;
  readonly embed_out: { readonly weight: Parameter };
  constructor(config: Config) {
    const body = new GPTNeoXModel(config);
    const head = languageHead(body.embed_in, body.config);
    super(body, head);
    this.gpt_neox = body;
    this.embed_out = head;
  }
}

/** GPT-NeoX's and Pythia's checkpoints. */
export const gptNeoX: Architecture = {
  classes: {
    GPTNeoXForCausalLM: (config) => new GPTNeoXForCausalLM(config),
    GPTNeoXModel: (config) => new GPTNeoXModel(config),
    ...headClasses({
      name: 'gpt_neox',
      prefix: 'GPTNeoX',
      body: (config) => new GPTNeoXModel(config),
      bodyName: 'gpt_neox',
      spanBodyName: 'gpt_neox',
      tokenScore: 'classifier',
    }),
  },
  prefix: 'gpt_neox.',
  // Old checkpoints carry the causal mask and the frequencies as buffers.
  sanitize: (name) => (/\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/.test(name) ? null : name),
  tied: ['embed_out.weight'],
};
