// Gemma 2 (Gemma Team, 2024): Gemma with norms on both sides of each sublayer, soft caps on scores and logits, and a
// sliding window in every other layer.
import { mul, type Tensor } from '@brickwork/graph';
import { Embedding, Linear, normal } from '@brickwork/nn';
import type { Context, Parameter } from '@brickwork/nn';
import type { Architecture, Config } from '../architecture.ts';
import { attention, attentionWeights, type AttentionOutput, type Past } from '../attention.ts';
import { headClasses } from '../causal-heads.ts';
import type { ForwardOptions, Hidden } from '../causal-lm.ts';
import { readConfig } from '../config.ts';
import { checkLength, DecoderBody, LanguageModel, languageHead } from '../decoder-body.ts';
import { layerWindows } from '../layer-types.ts';
import { layerMasks } from '../mask.ts';
import { readRope, rotaryFrequencies, rotate, rotation, type RotaryFrequencies, type Rotation } from '../rope.ts';
import { throughBlocks, type BlockOutput } from '../through-blocks.ts';
import { checkHeads, GemmaMLP, GemmaRMSNorm, type GemmaConfig } from './gemma.ts';

/** The fields of config.json that change the computation, with Hugging Face's defaults. */
export interface Gemma2Config extends GemmaConfig {
  /** Scores are multiplied with 1/√ of it. */
  readonly query_pre_attn_scalar: number;
  readonly sliding_window: number;
  /** Not capped where null. */
  readonly attn_logit_softcapping: number | null;
  readonly final_logit_softcapping: number | null;
}
const defaults: Omit<Gemma2Config, 'attn_logit_softcapping' | 'final_logit_softcapping'> = {
  vocab_size: 256000,
  max_position_embeddings: 8192,
  hidden_size: 2304,
  intermediate_size: 9216,
  num_hidden_layers: 26,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 256,
  hidden_activation: 'gelu_pytorch_tanh',
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  attention_bias: false,
  attention_dropout: 0,
  initializer_range: 0.02,
  tie_word_embeddings: true,
  query_pre_attn_scalar: 256,
  sliding_window: 4096,
};

/** A soft cap, a number above 0 or null for none; `standard` where the config doesn't say. */
export function softcap(architecture: string, config: Config, field: string, standard: number | null): number | null {
  const value = config[field] === undefined ? standard : config[field];
  if (value !== null && (typeof value !== 'number' || !(value > 0)))
    throw new Error(`${architecture} config: ${field} is ${JSON.stringify(value)}; needs a number above 0 or null`);
  return value;
}

class Attention {
  readonly q_proj: Linear;
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly o_proj: Linear;
  readonly #c: Gemma2Config;
  constructor(c: Gemma2Config) {
    const { hidden_size: C, num_attention_heads: H, num_key_value_heads: K, head_dim: D } = c;
    const o = { bias: c.attention_bias, weight: normal(c.initializer_range) };
    this.#c = c;
    this.q_proj = new Linear(C, H * D, o);
    this.k_proj = new Linear(C, K * D, o);
    this.v_proj = new Linear(C, K * D, o);
    this.o_proj = new Linear(H * D, C, o);
  }
  forward(x: Tensor, ctx: Context, at: Rotation, mask: Tensor, past: Past | null): AttentionOutput {
    const { num_attention_heads: H, head_dim: D, attention_dropout: dropout } = this.#c;
    const [B, T] = x.shape as [number, number];
    const heads = (projected: Tensor): Tensor => projected.reshape([B, T, -1, D]).permute([0, 2, 1, 3]); // (B, H, T, D)
    const key = rotate(heads(this.k_proj.forward(x, ctx)), at);
    const value = heads(this.v_proj.forward(x, ctx));
    const q = rotate(heads(this.q_proj.forward(x, ctx)), at);
    const o = { mask, past, scale: this.#c.query_pre_attn_scalar ** -0.5, softcap: this.#c.attn_logit_softcapping };
    const seen = attention(q, key, value, ctx, { ...o, dropout });
    const y = this.o_proj.forward(seen.permute([0, 2, 1, 3]).reshape([B, T, H * D]), ctx);
    return { y, present: { key, value }, weights: () => attentionWeights(q, key, o) };
  }
}

class Block {
  readonly input_layernorm: GemmaRMSNorm;
  readonly self_attn: Attention;
  readonly post_attention_layernorm: GemmaRMSNorm;
  readonly pre_feedforward_layernorm: GemmaRMSNorm;
  readonly mlp: GemmaMLP;
  readonly post_feedforward_layernorm: GemmaRMSNorm;
  constructor(c: Gemma2Config) {
    const norm = (): GemmaRMSNorm => new GemmaRMSNorm(c.hidden_size, c);
    this.input_layernorm = norm();
    this.self_attn = new Attention(c);
    this.post_attention_layernorm = norm();
    this.pre_feedforward_layernorm = norm();
    this.mlp = new GemmaMLP(c);
    this.post_feedforward_layernorm = norm();
  }
  forward(x: Tensor, ctx: Context, at: Rotation, mask: Tensor, past: Past | null): BlockOutput {
    const { y, present, weights } = this.self_attn.forward(this.input_layernorm.forward(x), ctx, at, mask, past);
    const h = x.add(this.post_attention_layernorm.forward(y));
    const fed = this.mlp.forward(this.pre_feedforward_layernorm.forward(h), ctx);
    return { x: h.add(this.post_feedforward_layernorm.forward(fed)), present, weights };
  }
}

/** Gemma 2 without a head. */
export class Gemma2Model extends DecoderBody<Gemma2Config> {
  readonly embed_tokens: Embedding;
  readonly layers: readonly Block[];
  readonly norm: GemmaRMSNorm;
  readonly #rotary: RotaryFrequencies;
  constructor(config: Config) {
    const read = readConfig('gemma2', config, defaults, { refuse: { use_bidirectional_attention: true } });
    checkHeads('gemma2', read);
    const rope = readRope('gemma2', config, { theta: read.rope_theta, context: read.max_position_embeddings });
    const c: Gemma2Config = {
      ...read,
      rope_theta: rope.theta,
      attn_logit_softcapping: softcap('gemma2', config, 'attn_logit_softcapping', 50),
      final_logit_softcapping: softcap('gemma2', config, 'final_logit_softcapping', 30),
    };
    const rotary = rotaryFrequencies(c.head_dim, rope);
    super(c, {
      contextLength: rotary.reach,
      layers: c.num_hidden_layers,
      windows: layerWindows('gemma2', config, {
        layers: c.num_hidden_layers,
        window: c.sliding_window,
        slides: (i) => i % 2 === 0,
      }),
      cacheHeads: c.num_key_value_heads,
      headWidth: c.head_dim,
      width: c.hidden_size,
    });
    this.#rotary = rotary;
    this.embed_tokens = new Embedding(c.vocab_size, c.hidden_size, normal(c.initializer_range));
    this.layers = Array.from({ length: c.num_hidden_layers }, () => new Block(c));
    this.norm = new GemmaRMSNorm(c.hidden_size, c);
  }

  forward(ids: Tensor, ctx: Context, o: ForwardOptions = {}): Hidden {
    checkLength('gemma2', ids, this.shape.contextLength);
    const masks = layerMasks(ids, o);
    const at = rotation(this.#rotary, ids, o);
    const x = mul(this.embed_tokens.forward(ids), Math.sqrt(this.config.hidden_size)); // (B, T, C)
    return throughBlocks(
      x,
      this.layers,
      o.past,
      (block, input, past, i) => block.forward(input, ctx, at, masks(this.shape.windows[i]!), past),
      this.norm,
    );
  }
}

/** Gemma 2 with its language-model head, in Hugging Face's weight names. */
export class Gemma2ForCausalLM extends LanguageModel<Gemma2Config> {
  readonly model: Gemma2Model;
  readonly lm_head: { readonly weight: Parameter };
  constructor(config: Config) {
    const model = new Gemma2Model(config);
    const head = languageHead(model.embed_tokens, model.config);
    super(model, head, model.config.final_logit_softcapping);
    this.model = model;
    this.lm_head = head;
  }
}

/** Gemma 2's checkpoints. */
export const gemma2: Architecture = {
  classes: {
    Gemma2ForCausalLM: (config) => new Gemma2ForCausalLM(config),
    Gemma2Model: (config) => new Gemma2Model(config),
    ...headClasses({
      name: 'gemma2',
      prefix: 'Gemma2',
      body: (config) => new Gemma2Model(config),
      bodyName: 'model',
      tokenScore: 'score',
    }),
  },
  prefix: 'model.',
  tied: ['lm_head.weight'],
};
