// Llama (Touvron et al., 2023; 2 and 3 after it): RMSNorm, rotary positions, grouped queries, a gated feed-forward.
import type { Tensor } from '@brickwork/graph';
import { activation, Embedding, Linear, normal, RMSNorm } from '@brickwork/nn';
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
export interface LlamaFamily {
  /** The `model_type`. */
  readonly name: string;
  readonly defaults: LlamaConfig;
  /** Biases of the queries', keys' and values' projections, and of the output's; `attention_bias` unless given. */
  readonly biases?: { readonly qkv: boolean; readonly output: boolean };
  /** Whether each head's queries and keys are normed before they turn. */
  readonly headNorms?: boolean;
  /** How many positions back each layer sees, itself included; all where null. */
  readonly windows?: (config: Config, c: LlamaConfig) => (number | null)[];
  /** Whether each layer's queries and keys turn by their positions; all do unless given. */
  readonly turns?: (config: Config, c: LlamaConfig) => boolean[];
}
const family: LlamaFamily = { name: 'llama', defaults: llamaDefaults };

class Attention {
  readonly q_proj: Linear;
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly o_proj: Linear;
  readonly q_norm: RMSNorm | null;
  readonly k_norm: RMSNorm | null;
  readonly #c: LlamaConfig;
  readonly #D: number;
  constructor(c: LlamaConfig, D: number, { biases, headNorms = false }: LlamaFamily) {
    const [H, K] = [c.num_attention_heads, c.num_key_value_heads ?? c.num_attention_heads];
    const weight = normal(c.initializer_range);
    const { qkv: bias, output } = biases ?? { qkv: c.attention_bias, output: c.attention_bias };
    this.#c = c;
    this.#D = D;
    this.q_proj = new Linear(c.hidden_size, H * D, { bias, weight });
    this.k_proj = new Linear(c.hidden_size, K * D, { bias, weight });
    this.v_proj = new Linear(c.hidden_size, K * D, { bias, weight });
    this.o_proj = new Linear(H * D, c.hidden_size, { bias: output, weight });
    const norm = (): RMSNorm | null => (headNorms ? new RMSNorm(D, { epsilon: c.rms_norm_eps }) : null);
    this.q_norm = norm();
    this.k_norm = norm();
  }
  forward(x: Tensor, ctx: Context, at: Rotation | null, mask: Tensor, past: Past | null): AttentionOutput {
    const [B, T] = x.shape as [number, number];
    const heads = (projected: Tensor): Tensor => projected.reshape([B, T, -1, this.#D]).permute([0, 2, 1, 3]); // (B, H, T, D)
    const turned = (projected: Tensor, norm: RMSNorm | null): Tensor => {
      const normed = norm ? norm.forward(heads(projected)) : heads(projected);
      return at ? rotate(normed, at) : normed;
    };
    const key = turned(this.k_proj.forward(x, ctx), this.k_norm);
    const value = heads(this.v_proj.forward(x, ctx));
    const q = turned(this.q_proj.forward(x, ctx), this.q_norm);
    const o = attention(q, key, value, ctx, { mask, dropout: this.#c.attention_dropout, past });
    const y = this.o_proj.forward(o.permute([0, 2, 1, 3]).reshape([B, T, this.#c.num_attention_heads * this.#D]), ctx);
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
  forward(x: Tensor, ctx: Context): Tensor {
    return this.down_proj.forward(this.#act(this.gate_proj.forward(x, ctx)).mul(this.up_proj.forward(x, ctx)), ctx);
  }
}

class Block {
  readonly input_layernorm: RMSNorm;
  readonly self_attn: Attention;
  readonly post_attention_layernorm: RMSNorm;
  readonly mlp: MLP;
  constructor(c: LlamaConfig, D: number, own: LlamaFamily) {
    this.input_layernorm = new RMSNorm(c.hidden_size, { epsilon: c.rms_norm_eps });
    this.self_attn = new Attention(c, D, own);
    this.post_attention_layernorm = new RMSNorm(c.hidden_size, { epsilon: c.rms_norm_eps });
    this.mlp = new MLP(c);
  }
  forward(x: Tensor, ctx: Context, at: Rotation | null, mask: Tensor, past: Past | null): BlockOutput {
    const { y, present, weights } = this.self_attn.forward(this.input_layernorm.forward(x), ctx, at, mask, past);
    const h = x.add(y);
    return { x: h.add(this.mlp.forward(this.post_attention_layernorm.forward(h), ctx)), present, weights };
  }
}

/** Llama without a head, and the body of models built like it. */
export class LlamaModel extends DecoderBody<LlamaConfig> {
  readonly embed_tokens: Embedding;
  readonly layers: readonly Block[];
  readonly norm: RMSNorm;
  readonly #name: string;
  readonly #rotary: RotaryFrequencies;
  readonly #turns: readonly boolean[] | null;

  constructor(config: Config, own: LlamaFamily = family) {
    const { name, defaults } = own;
    const read = readConfig(name, config, defaults);
    // As many as attention heads where the config says null.
    const c = config['num_key_value_heads'] === null ? { ...read, num_key_value_heads: null } : read;
    const [H, K] = [c.num_attention_heads, c.num_key_value_heads ?? c.num_attention_heads];
    const D = c.head_dim ?? c.hidden_size / H;
    if (!Number.isInteger(D) || D % 2)
      throw new Error(
        `${name} config: hidden_size ${c.hidden_size} and ${H} heads give a head_dim of ${D}; needs an even whole number`,
      );
    if (H % K) throw new Error(`${name} config: num_attention_heads ${H} doesn't divide into num_key_value_heads ${K}`);
    const rope = readRope(name, config, { theta: c.rope_theta, context: c.max_position_embeddings });
    const rotary = rotaryFrequencies(D, rope);
    super(
      { ...c, rope_theta: rope.theta },
      {
        contextLength: rotary.reach,
        layers: c.num_hidden_layers,
        windows: own.windows?.(config, c) ?? Array<null>(c.num_hidden_layers).fill(null),
        cacheHeads: K,
        headWidth: D,
        width: c.hidden_size,
      },
    );
    this.#name = name;
    this.#rotary = rotary;
    this.#turns = own.turns?.(config, c) ?? null;
    this.embed_tokens = new Embedding(c.vocab_size, c.hidden_size, normal(c.initializer_range));
    this.layers = Array.from({ length: c.num_hidden_layers }, () => new Block(c, D, own));
    this.norm = new RMSNorm(c.hidden_size, { epsilon: c.rms_norm_eps });
  }

  forward(ids: Tensor, ctx: Context, o: ForwardOptions = {}): Hidden {
    checkLength(this.#name, ids, this.shape.contextLength);
    const masks = layerMasks(ids, o);
    const at = rotation(this.#rotary, ids, o);
    const x = this.embed_tokens.forward(ids); // (B, T, C)
    return throughBlocks(
      x,
      this.layers,
      o.past,
      (block, input, past, i) =>
        block.forward(input, ctx, this.#turns?.[i] === false ? null : at, masks(this.shape.windows[i]!), past),
      this.norm,
    );
  }
}

/** Llama with its language-model head, in Hugging Face's weight names. */
export class LlamaForCausalLM extends LanguageModel<LlamaConfig> {
  readonly model: LlamaModel;
  readonly lm_head: { readonly weight: Parameter };
  constructor(config: Config, own: LlamaFamily = family) {
    const model = new LlamaModel(config, own);
    const head = languageHead(model.embed_tokens, model.config);
    super(model, head);
    this.model = model;
    this.lm_head = head;
  }
}

/** The classes of a model built like Llama, by Hugging Face's names, which begin with `prefix`. */
export function llamaClasses(prefix: string, own: LlamaFamily, spanBodyName?: string): Architecture['classes'] {
  const body = (config: Config): LlamaModel => new LlamaModel(config, own);
  return {
    [`${prefix}ForCausalLM`]: (config) => new LlamaForCausalLM(config, own),
    [`${prefix}Model`]: body,
    ...headClasses({
      name: own.name,
      prefix,
      body,
      bodyName: 'model',
      tokenScore: 'score',
      ...(spanBodyName !== undefined && { spanBodyName }),
    }),
  };
}

/** How the checkpoints of Llama's family are named; old ones carry the frequencies as buffers. */
export const llamaNames: Omit<Architecture, 'classes'> = {
  prefix: 'model.',
  sanitize: (name) => (name.endsWith('.rotary_emb.inv_freq') ? null : name),
  tied: ['lm_head.weight'],
};

/** Llama's checkpoints, and those of models built like it, such as SmolLM2. */
export const llama: Architecture = { classes: llamaClasses('Llama', family, 'transformer'), ...llamaNames };
