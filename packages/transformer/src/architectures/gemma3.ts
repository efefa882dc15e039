// Gemma 3 (Gemma Team, 2025), its text tower: Gemma 2 whose queries and keys are normed in each head instead of capped, with
// five layers of local attention for each global one, and another base of the rotary positions for either.
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
import {
  readRope,
  rotaryFrequencies,
  rotate,
  rotation,
  type RopeConfig,
  type RotaryFrequencies,
  type Rotation,
} from '../rope.ts';
import { throughBlocks, type BlockOutput } from '../through-blocks.ts';
import { checkHeads, GemmaMLP, GemmaRMSNorm } from './gemma.ts';
import { softcap, type Gemma2Config } from './gemma2.ts';

/** The fields of config.json that change the computation, with Hugging Face's defaults. */
export interface Gemma3Config extends Gemma2Config {
  /** Base of the rotary positions in layers that slide; `rope_theta` and its scaling are those of the others. */
  readonly rope_local_base_freq: number;
}
const defaults: Omit<Gemma3Config, 'attn_logit_softcapping' | 'final_logit_softcapping'> = {
  vocab_size: 262208,
  max_position_embeddings: 131072,
  hidden_size: 2304,
  intermediate_size: 9216,
  num_hidden_layers: 26,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 256,
  hidden_activation: 'gelu_pytorch_tanh',
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  rope_local_base_freq: 10000,
  attention_bias: false,
  attention_dropout: 0,
  initializer_range: 0.02,
  tie_word_embeddings: true,
  query_pre_attn_scalar: 256,
  sliding_window: 4096,
};

class Attention {
  readonly q_proj: Linear;
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly o_proj: Linear;
  readonly q_norm: GemmaRMSNorm;
  readonly k_norm: GemmaRMSNorm;
  readonly #c: Gemma3Config;
  constructor(c: Gemma3Config) {
    const { hidden_size: C, num_attention_heads: H, num_key_value_heads: K, head_dim: D } = c;
    const o = { bias: c.attention_bias, weight: normal(c.initializer_range) };
    this.#c = c;
    this.q_proj = new Linear(C, H * D, o);
    this.k_proj = new Linear(C, K * D, o);
    this.v_proj = new Linear(C, K * D, o);
    this.o_proj = new Linear(H * D, C, o);
    this.q_norm = new GemmaRMSNorm(D, c);
    this.k_norm = new GemmaRMSNorm(D, c);
  }
  forward(x: Tensor, ctx: Context, at: Rotation, mask: Tensor, past: Past | null): AttentionOutput {
    const { num_attention_heads: H, head_dim: D, attention_dropout: dropout } = this.#c;
    const [B, T] = x.shape as [number, number];
    const heads = (projected: Tensor): Tensor => projected.reshape([B, T, -1, D]).permute([0, 2, 1, 3]); // (B, H, T, D)
    const key = rotate(this.k_norm.forward(heads(this.k_proj.forward(x, ctx))), at);
    const value = heads(this.v_proj.forward(x, ctx));
    const q = rotate(this.q_norm.forward(heads(this.q_proj.forward(x, ctx))), at);
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
  constructor(c: Gemma3Config) {
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

// Layers that slide have a base of their own and no scaling, unless `rope_parameters` says it for each type.
function localRope(config: Config, c: { rope_local_base_freq: number; max_position_embeddings: number }): RopeConfig {
  const { rope_parameters: parameters } = config;
  const byType = typeof parameters === 'object' && parameters !== null && 'sliding_attention' in parameters;
  const o = { theta: c.rope_local_base_freq, context: c.max_position_embeddings, layerType: 'sliding_attention' };
  return readRope('gemma3_text', byType ? { rope_parameters: parameters } : {}, o);
}

/** Gemma 3 without a head. */
export class Gemma3TextModel extends DecoderBody<Gemma3Config> {
  readonly embed_tokens: Embedding;
  readonly layers: readonly Block[];
  readonly norm: GemmaRMSNorm;
  readonly #rotary: { readonly global: RotaryFrequencies; readonly local: RotaryFrequencies };
  constructor(config: Config) {
    const read = readConfig('gemma3_text', config, defaults, { refuse: { use_bidirectional_attention: true } });
    checkHeads('gemma3_text', read);
    const context = read.max_position_embeddings;
    const rope = readRope('gemma3_text', config, { theta: read.rope_theta, context });
    const local = localRope(config, read);
    const c: Gemma3Config = {
      ...read,
      rope_theta: rope.theta,
      rope_local_base_freq: local.theta,
      attn_logit_softcapping: softcap('gemma3_text', config, 'attn_logit_softcapping', null),
      final_logit_softcapping: softcap('gemma3_text', config, 'final_logit_softcapping', null),
    };
    const rotary = { global: rotaryFrequencies(c.head_dim, rope), local: rotaryFrequencies(c.head_dim, local) };
    const { sliding_window_pattern: every } = readConfig('gemma3_text', config, { sliding_window_pattern: 6 });
    super(c, {
      contextLength: rotary.global.reach === Infinity ? Infinity : context,
      layers: c.num_hidden_layers,
      windows: layerWindows('gemma3_text', config, {
        layers: c.num_hidden_layers,
        window: c.sliding_window,
        slides: (i) => (i + 1) % every !== 0,
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
    checkLength('gemma3_text', ids, this.shape.contextLength);
    const masks = layerMasks(ids, o);
    const global = rotation(this.#rotary.global, ids, o);
    const local = rotation(this.#rotary.local, ids, o);
    const x = mul(this.embed_tokens.forward(ids), Math.sqrt(this.config.hidden_size)); // (B, T, C)
    return throughBlocks(
      x,
      this.layers,
      o.past,
      (block, input, past, i) => {
        const window = this.shape.windows[i]!;
        return block.forward(input, ctx, window === null ? global : local, masks(window), past);
      },
      this.norm,
    );
  }
}

/** Gemma 3 with its language-model head, in Hugging Face's weight names. */
export class Gemma3ForCausalLM extends LanguageModel<Gemma3Config> {
  readonly model: Gemma3TextModel;
  readonly lm_head: { readonly weight: Parameter };
  constructor(config: Config) {
    const model = new Gemma3TextModel(config);
    const head = languageHead(model.embed_tokens, model.config);
    super(model, head, model.config.final_logit_softcapping);
    this.model = model;
    this.lm_head = head;
  }
}

/** Gemma 3's checkpoints. */
export const gemma3Text: Architecture = {
  classes: {
    Gemma3ForCausalLM: (config) => new Gemma3ForCausalLM(config),
    Gemma3TextModel: (config) => new Gemma3TextModel(config),
    ...headClasses({
      name: 'gemma3_text',
      prefix: 'Gemma3Text',
      body: (config) => new Gemma3TextModel(config),
      bodyName: 'model',
      tokenScore: 'score',
    }),
  },
  prefix: 'model.',
  tied: ['lm_head.weight'],
};

/** Gemma 3 with its pictures' tower, which isn't implemented. */
export const gemma3: Architecture = {
  classes: {
    Gemma3ForConditionalGeneration: () => {
      throw new Error(
        'gemma3 config: models that see pictures (Gemma3ForConditionalGeneration) are not implemented; take a text-only checkpoint, whose model_type is gemma3_text',
      );
    },
  },
  prefix: '',
};
