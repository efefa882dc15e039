// Gemma (Gemma Team, 2024): Llama's plan with GeGLU, norms that multiply with 1 + weight, and embeddings scaled by √C.
import { add, mul, rmsNorm, type Tensor } from '@brickwork/graph';
import { activation, Embedding, Linear, normal, parameter, zeros } from '@brickwork/nn';
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
export interface GemmaConfig {
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly head_dim: number;
  /** Old configurations say `hidden_act: 'gelu'` and mean its tanh form, as Hugging Face takes it. */
  readonly hidden_activation: string;
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
  readonly attention_bias: boolean;
  readonly attention_dropout: number;
  readonly initializer_range: number;
  readonly tie_word_embeddings: boolean;
}
const defaults: GemmaConfig = {
  vocab_size: 256000,
  max_position_embeddings: 8192,
  hidden_size: 3072,
  intermediate_size: 24576,
  num_hidden_layers: 28,
  num_attention_heads: 16,
  num_key_value_heads: 16,
  head_dim: 256,
  hidden_activation: 'gelu_pytorch_tanh',
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  attention_bias: false,
  attention_dropout: 0,
  initializer_range: 0.02,
  tie_word_embeddings: true,
};

/** Root mean square 1 over the last axis, times 1 + weight. */
export class GemmaRMSNorm {
  readonly weight: Parameter;
  readonly epsilon: number;
  constructor(width: number, { rms_norm_eps }: { readonly rms_norm_eps: number }) {
    this.weight = parameter([width], zeros);
    this.epsilon = rms_norm_eps;
  }
  forward(x: Tensor): Tensor {
    return rmsNorm(x, add(this.weight, 1), { epsilon: this.epsilon });
  }
}

/** The gated feed-forward network. */
export class GemmaMLP {
  readonly gate_proj: Linear;
  readonly up_proj: Linear;
  readonly down_proj: Linear;
  readonly #act: Activation;
  constructor(c: Pick<GemmaConfig, 'hidden_size' | 'intermediate_size' | 'initializer_range' | 'hidden_activation'>) {
    const o = { bias: false, weight: normal(c.initializer_range) };
    this.gate_proj = new Linear(c.hidden_size, c.intermediate_size, o);
    this.up_proj = new Linear(c.hidden_size, c.intermediate_size, o);
    this.down_proj = new Linear(c.intermediate_size, c.hidden_size, o);
    this.#act = activation(c.hidden_activation);
  }
  forward(x: Tensor, ctx: Context): Tensor {
    return this.down_proj.forward(this.#act(this.gate_proj.forward(x, ctx)).mul(this.up_proj.forward(x, ctx)), ctx);
  }
}

class Attention {
  readonly q_proj: Linear;
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly o_proj: Linear;
  readonly #c: GemmaConfig;
  constructor(c: GemmaConfig) {
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
    const o = attention(q, key, value, ctx, { mask, dropout, past });
    const y = this.o_proj.forward(o.permute([0, 2, 1, 3]).reshape([B, T, H * D]), ctx);
    return { y, present: { key, value }, weights: () => attentionWeights(q, key, { mask, past }) };
  }
}

class Block {
  readonly input_layernorm: GemmaRMSNorm;
  readonly self_attn: Attention;
  readonly post_attention_layernorm: GemmaRMSNorm;
  readonly mlp: GemmaMLP;
  constructor(c: GemmaConfig) {
    this.input_layernorm = new GemmaRMSNorm(c.hidden_size, c);
    this.self_attn = new Attention(c);
    this.post_attention_layernorm = new GemmaRMSNorm(c.hidden_size, c);
    this.mlp = new GemmaMLP(c);
  }
  forward(x: Tensor, ctx: Context, at: Rotation, mask: Tensor, past: Past | null): BlockOutput {
    const { y, present, weights } = this.self_attn.forward(this.input_layernorm.forward(x), ctx, at, mask, past);
    const h = x.add(y);
    return { x: h.add(this.mlp.forward(this.post_attention_layernorm.forward(h), ctx)), present, weights };
  }
}

/**
 * @throws where heads don't divide, or their width is odd.
 */
export function checkHeads(
  name: string,
  {
    num_attention_heads: H,
    num_key_value_heads: K,
    head_dim: D,
  }: Pick<GemmaConfig, 'num_attention_heads' | 'num_key_value_heads' | 'head_dim'>,
): void {
  if (H % K) throw new Error(`${name} config: num_attention_heads ${H} doesn't divide into num_key_value_heads ${K}`);
  if (D % 2) throw new Error(`${name} config: head_dim is ${D}; needs an even number`);
}

/** Gemma without a head. */
export class GemmaModel extends DecoderBody<GemmaConfig> {
  readonly embed_tokens: Embedding;
  readonly layers: readonly Block[];
  readonly norm: GemmaRMSNorm;
  readonly #rotary: RotaryFrequencies;
  constructor(config: Config) {
    const { hidden_act: old = null, hidden_activation: named = old === 'gelu' ? null : old } = config;
    const c = readConfig('gemma', { ...config, hidden_activation: named }, defaults, {
      refuse: { use_bidirectional_attention: true },
    });
    checkHeads('gemma', c);
    const rope = readRope('gemma', config, { theta: c.rope_theta, context: c.max_position_embeddings });
    const rotary = rotaryFrequencies(c.head_dim, rope);
    super(
      { ...c, rope_theta: rope.theta },
      {
        contextLength: rotary.reach,
        layers: c.num_hidden_layers,
        windows: Array<null>(c.num_hidden_layers).fill(null),
        cacheHeads: c.num_key_value_heads,
        headWidth: c.head_dim,
        width: c.hidden_size,
      },
    );
    this.#rotary = rotary;
    this.embed_tokens = new Embedding(c.vocab_size, c.hidden_size, normal(c.initializer_range));
    this.layers = Array.from({ length: c.num_hidden_layers }, () => new Block(c));
    this.norm = new GemmaRMSNorm(c.hidden_size, c);
  }

  forward(ids: Tensor, ctx: Context, o: ForwardOptions = {}): Hidden {
    checkLength('gemma', ids, this.shape.contextLength);
    const mask = layerMasks(ids, o)(null);
    const at = rotation(this.#rotary, ids, o);
    const x = mul(this.embed_tokens.forward(ids), Math.sqrt(this.config.hidden_size)); // (B, T, C)
    return throughBlocks(
      x,
      this.layers,
      o.past,
      (block, input, past) => block.forward(input, ctx, at, mask, past),
      this.norm,
    );
  }
}

/** Gemma with its language-model head, in Hugging Face's weight names. */
export class GemmaForCausalLM extends LanguageModel<GemmaConfig> {
  readonly model: GemmaModel;
  readonly lm_head: { readonly weight: Parameter };
  constructor(config: Config) {
    const model = new GemmaModel(config);
    const head = languageHead(model.embed_tokens, model.config);
    super(model, head);
    this.model = model;
    this.lm_head = head;
  }
}

/** Gemma's checkpoints. */
export const gemma: Architecture = {
  classes: {
    GemmaForCausalLM: (config) => new GemmaForCausalLM(config),
    GemmaModel: (config) => new GemmaModel(config),
    ...headClasses({
      name: 'gemma',
      prefix: 'Gemma',
      body: (config) => new GemmaModel(config),
      bodyName: 'model',
      tokenScore: 'score',
    }),
  },
  prefix: 'model.',
  sanitize: (name) => (name.endsWith('.rotary_emb.inv_freq') ? null : name),
  tied: ['lm_head.weight'],
};
