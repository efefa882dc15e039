// Llama (Touvron et al., 2023; 2 and 3 after it): RMSNorm, rotary positions, grouped queries, a gated feed-forward.
import { matmul, show, type Tensor } from '@brickwork/graph';
import { activation, Embedding, Linear, normal, parameter, RMSNorm } from '@brickwork/nn';
import type { Activation, Context, Parameter, Outputs } from '@brickwork/nn';
import type { Architecture } from '../architecture.ts';
import { attention, attentionWeights, type AttentionOutput, type Past } from '../attention.ts';
import { causalInputs, causalOutputs } from '../causal-outputs.ts';
import type { CausalLM, ForwardOptions, Hidden } from '../causal-lm.ts';
import { readConfig } from '../config.ts';
import { paddingMask, slidingMask } from '../mask.ts';
import { nextTokenLoss } from '../next-token-loss.ts';
import { rotaryFrequencies, rotate, rotation, type RotaryFrequencies, type Rotation } from '../rope.ts';
import { throughBlocks, type BlockOutput } from '../through-blocks.ts';

/** The fields of config.json that change the computation, with Hugging Face's defaults. */
export interface LlamaConfig {
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  /** As many as attention heads where null. */
  readonly num_key_value_heads: number | null;
  /** hidden_size / num_attention_heads where null. */
  readonly head_dim: number | null;
  readonly hidden_act: string;
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
  readonly attention_bias: boolean;
  readonly attention_dropout: number;
  readonly mlp_bias: boolean;
  readonly initializer_range: number;
  readonly tie_word_embeddings: boolean;
}
/** Hugging Face's defaults for Llama. */
export const llamaDefaults: LlamaConfig = {
  vocab_size: 32000,
  max_position_embeddings: 2048,
  hidden_size: 4096,
  intermediate_size: 11008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: null,
  head_dim: null,
  hidden_act: 'silu',
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  attention_bias: false,
  attention_dropout: 0,
  mlp_bias: false,
  initializer_range: 0.02,
  tie_word_embeddings: false,
};

/** What the models that grew out of Llama change. */
export interface LlamaVariant {
  readonly name: string;
  /** Biases of the queries', keys' and values' projections, and of the output's. */
  readonly biases: { readonly qkv: boolean; readonly output: boolean };
  /** How many positions back a token sees, itself included; all where null. */
  readonly window: number | null;
}

class Attention {
  readonly q_proj: Linear;
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly o_proj: Linear;
  readonly #c: LlamaConfig;
  readonly #D: number;
  constructor(c: LlamaConfig, D: number, { biases }: LlamaVariant) {
    const [H, K] = [c.num_attention_heads, c.num_key_value_heads ?? c.num_attention_heads];
    const weight = normal(c.initializer_range);
    this.#c = c;
    this.#D = D;
    this.q_proj = new Linear(c.hidden_size, H * D, { bias: biases.qkv, weight });
    this.k_proj = new Linear(c.hidden_size, K * D, { bias: biases.qkv, weight });
    this.v_proj = new Linear(c.hidden_size, K * D, { bias: biases.qkv, weight });
    this.o_proj = new Linear(H * D, c.hidden_size, { bias: biases.output, weight });
  }
  forward(x: Tensor, ctx: Context, at: Rotation, mask: Tensor, past: Past | null): AttentionOutput {
    const [B, T] = x.shape as [number, number];
    const heads = (projected: Tensor): Tensor => projected.reshape([B, T, -1, this.#D]).permute([0, 2, 1, 3]); // (B, H, T, D)
    const key = rotate(heads(this.k_proj.forward(x)), at);
    const value = heads(this.v_proj.forward(x));
    const q = rotate(heads(this.q_proj.forward(x)), at);
    const o = attention(q, key, value, ctx, { mask, dropout: this.#c.attention_dropout, past });
    const y = this.o_proj.forward(o.permute([0, 2, 1, 3]).reshape([B, T, this.#c.num_attention_heads * this.#D]));
    return { y, present: { key, value }, weights: () => attentionWeights(q, key, { mask, past }) };
  }
}

class MLP {
  readonly gate_proj: Linear;
  readonly up_proj: Linear;
  readonly down_proj: Linear;
  readonly #act: Activation;
  constructor(c: LlamaConfig) {
    const o = { bias: c.mlp_bias, weight: normal(c.initializer_range) };
    this.gate_proj = new Linear(c.hidden_size, c.intermediate_size, o);
    this.up_proj = new Linear(c.hidden_size, c.intermediate_size, o);
    this.down_proj = new Linear(c.intermediate_size, c.hidden_size, o);
    this.#act = activation(c.hidden_act);
  }
  forward(x: Tensor): Tensor {
    return this.down_proj.forward(this.#act(this.gate_proj.forward(x)).mul(this.up_proj.forward(x)));
  }
}

class Block {
  readonly input_layernorm: RMSNorm;
  readonly self_attn: Attention;
  readonly post_attention_layernorm: RMSNorm;
  readonly mlp: MLP;
  constructor(c: LlamaConfig, D: number, variant: LlamaVariant) {
    this.input_layernorm = new RMSNorm(c.hidden_size, { epsilon: c.rms_norm_eps });
    this.self_attn = new Attention(c, D, variant);
    this.post_attention_layernorm = new RMSNorm(c.hidden_size, { epsilon: c.rms_norm_eps });
    this.mlp = new MLP(c);
  }
  forward(x: Tensor, ctx: Context, at: Rotation, mask: Tensor, past: Past | null): BlockOutput {
    const { y, present, weights } = this.self_attn.forward(this.input_layernorm.forward(x), ctx, at, mask, past);
    const h = x.add(y);
    return { x: h.add(this.mlp.forward(this.post_attention_layernorm.forward(h))), present, weights };
  }
}

class LlamaModel {
  readonly embed_tokens: Embedding;
  readonly layers: readonly Block[];
  readonly norm: RMSNorm;
  constructor(c: LlamaConfig, D: number, variant: LlamaVariant) {
    this.embed_tokens = new Embedding(c.vocab_size, c.hidden_size, normal(c.initializer_range));
    this.layers = Array.from({ length: c.num_hidden_layers }, () => new Block(c, D, variant));
    this.norm = new RMSNorm(c.hidden_size, { epsilon: c.rms_norm_eps });
  }
}

/** Llama with its language-model head, in Hugging Face's weight names. */
export class LlamaForCausalLM implements CausalLM {
  readonly config: LlamaConfig;
  readonly model: LlamaModel;
  readonly lm_head: { readonly weight: Parameter };
  readonly slidingWindow: number | null;
  readonly headWidth: number;
  readonly #name: string;
  readonly #frequencies: RotaryFrequencies;

  constructor(
    config: Readonly<Record<string, unknown>>,
    variant?: LlamaVariant,
    defaults: LlamaConfig = llamaDefaults,
  ) {
    const name = variant?.name ?? 'llama';
    const c = readConfig(name, config, defaults);
    const own = variant ?? { name, biases: { qkv: c.attention_bias, output: c.attention_bias }, window: null };
    const [H, K] = [c.num_attention_heads, c.num_key_value_heads ?? c.num_attention_heads];
    const D = c.head_dim ?? c.hidden_size / H;
    if (!Number.isInteger(D) || D % 2)
      throw new Error(
        `${name} config: hidden_size ${c.hidden_size} and ${H} heads give a head_dim of ${D}; needs an even whole number`,
      );
    if (H % K) throw new Error(`${name} config: num_attention_heads ${H} doesn't divide into num_key_value_heads ${K}`);
    this.config = c;
    this.#name = name;
    this.headWidth = D;
    this.slidingWindow = own.window;
    this.#frequencies = rotaryFrequencies(D, {
      theta: c.rope_theta,
      scaling: (config['rope_scaling'] ?? null) as Readonly<Record<string, unknown>> | null,
      context: c.max_position_embeddings,
    });
    this.model = new LlamaModel(c, D, own);
    const { weight } = this.model.embed_tokens;
    this.lm_head = {
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
    return this.config.num_key_value_heads ?? this.config.num_attention_heads;
  }

  forward(ids: Tensor, ctx: Context, o: ForwardOptions = {}): Hidden {
    const { embed_tokens, layers, norm } = this.model;
    if (ids.rank !== 2) throw new Error(`${this.#name}: ids ${show(ids.shape)}; needs (B, T)`);
    const T = ids.shape[1]!;
    if (typeof T === 'number' && T > this.contextLength)
      throw new Error(
        `${this.#name}: a sequence of ${T} tokens, but max_position_embeddings is ${this.contextLength}; cut it`,
      );
    let mask = o.mask ?? slidingMask(ids, 1, this.slidingWindow);
    if (o.attentionMask) mask = mask.add(paddingMask(o.attentionMask));
    const at = rotation(this.#frequencies, ids, o.positions ?? null);
    const x = embed_tokens.forward(ids); // (B, T, C)
    return throughBlocks(x, layers, o.past, (block, input, past) => block.forward(input, ctx, at, mask, past), norm);
  }

  head(hidden: Tensor): Tensor {
    return matmul(hidden, this.lm_head.weight, { transB: true }); // (…, V)
  }

  trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    return causalOutputs(this, inputs, ctx);
  }

  loss(hidden: Tensor, labels: Tensor, o: { readonly shift?: boolean } = {}): Tensor {
    return nextTokenLoss(hidden, this.lm_head.weight, labels, o);
  }
}

/** How the checkpoints of Llama's family are named; old ones carry the frequencies as buffers. */
export const llamaNames: Omit<Architecture, 'classes'> = {
  prefix: 'model.',
  sanitize: (name) => (name.endsWith('.rotary_emb.inv_freq') ? null : name),
  tied: ['lm_head.weight'],
};

/** Llama's checkpoints, and those of models built like it, such as SmolLM2. */
export const llama: Architecture = {
  classes: { LlamaForCausalLM: (config) => new LlamaForCausalLM(config) },
  ...llamaNames,
};
