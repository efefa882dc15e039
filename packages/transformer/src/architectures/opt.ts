// OPT (Zhang et al., 2022): a decoder with learned positions and ReLU, its norms before the sublayers or after them.
import { range, sizeOf, constant, type Tensor } from '@brickwork/graph';
import { activation, dropout, Embedding, LayerNorm, Linear, normal } from '@brickwork/nn';
import type { Activation, Context, Parameter } from '@brickwork/nn';
import type { Architecture, Config } from '../architecture.ts';
import { attention, attentionWeights, type AttentionOutput, type Past } from '../attention.ts';
import { headClasses } from '../causal-heads.ts';
import type { ForwardOptions, Hidden } from '../causal-lm.ts';
import { readConfig } from '../config.ts';
import { checkLength, DecoderBody, languageHead, LanguageModel } from '../decoder-body.ts';
import { layerMasks } from '../mask.ts';
import { throughBlocks, type BlockOutput } from '../through-blocks.ts';

/** The fields of config.json that change the computation, with Hugging Face's defaults. */
export interface OPTConfig {
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  readonly hidden_size: number;
  readonly ffn_dim: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  /** Width of the embeddings, projected to the body's and back; hidden_size where null. */
  readonly word_embed_proj_dim: number | null;
  /** Whether norms stand before the sublayers, or after the sums. */
  readonly do_layer_norm_before: boolean;
  readonly enable_bias: boolean;
  readonly activation_function: string;
  readonly dropout: number;
  readonly attention_dropout: number;
  /** Deviation of the first weights; Hugging Face calls it init_std here. */
  readonly initializer_range: number;
  readonly tie_word_embeddings: boolean;
}
const defaults: OPTConfig = {
  vocab_size: 50272,
  max_position_embeddings: 2048,
  hidden_size: 768,
  ffn_dim: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  word_embed_proj_dim: null,
  do_layer_norm_before: true,
  enable_bias: true,
  activation_function: 'relu',
  dropout: 0.1,
  attention_dropout: 0,
  initializer_range: 0.02,
  tie_word_embeddings: true,
};
/** The table's first positions are for padding. */
const offset = 2;

class Attention {
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly q_proj: Linear;
  readonly out_proj: Linear;
  readonly #c: OPTConfig;
  constructor(c: OPTConfig) {
    const projection = (): Linear =>
      new Linear(c.hidden_size, c.hidden_size, { bias: c.enable_bias, weight: normal(c.initializer_range) });
    this.#c = c;
    this.k_proj = projection();
    this.v_proj = projection();
    this.q_proj = projection();
    this.out_proj = projection();
  }
  forward(x: Tensor, ctx: Context, mask: Tensor, past: Past | null): AttentionOutput {
    const { hidden_size: C, num_attention_heads: H, attention_dropout } = this.#c;
    const [B, T] = x.shape as [number, number];
    const heads = (t: Tensor): Tensor => t.reshape([B, T, H, C / H]).permute([0, 2, 1, 3]); // (B, H, T, D)
    const [q, key, value] = [this.q_proj, this.k_proj, this.v_proj].map((one) => heads(one.forward(x, ctx))) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const o = attention(q, key, value, ctx, { mask, dropout: attention_dropout, past });
    const y = this.out_proj.forward(o.permute([0, 2, 1, 3]).reshape([B, T, C]), ctx);
    return { y, present: { key, value }, weights: () => attentionWeights(q, key, { mask, past }) };
  }
}

class Block {
  readonly self_attn: Attention;
  readonly self_attn_layer_norm: LayerNorm;
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly final_layer_norm: LayerNorm;
  readonly #c: OPTConfig;
  readonly #act: Activation;
  constructor(c: OPTConfig) {
    const o = { bias: c.enable_bias, weight: normal(c.initializer_range) };
    this.#c = c;
    this.#act = activation(c.activation_function);
    this.self_attn = new Attention(c);
    this.self_attn_layer_norm = new LayerNorm(c.hidden_size);
    this.fc1 = new Linear(c.hidden_size, c.ffn_dim, o);
    this.fc2 = new Linear(c.ffn_dim, c.hidden_size, o);
    this.final_layer_norm = new LayerNorm(c.hidden_size);
  }
  forward(x: Tensor, ctx: Context, mask: Tensor, past: Past | null): BlockOutput {
    const { do_layer_norm_before: before, dropout: p } = this.#c;
    const { self_attn_layer_norm: first, final_layer_norm: second } = this;
    const { y, present, weights } = this.self_attn.forward(before ? first.forward(x) : x, ctx, mask, past);
    const a = x.add(dropout(y, p, ctx));
    const h = before ? a : first.forward(a);
    const fed = this.fc2.forward(this.#act(this.fc1.forward(before ? second.forward(h) : h, ctx)), ctx);
    const b = h.add(dropout(fed, p, ctx));
    return { x: before ? b : second.forward(b), present, weights };
  }
}

class Decoder {
  readonly embed_tokens: Embedding;
  readonly embed_positions: Embedding;
  readonly project_out: Linear | null;
  readonly project_in: Linear | null;
  readonly final_layer_norm: LayerNorm | null;
  readonly layers: readonly Block[];
  constructor(c: OPTConfig) {
    const [C, E] = [c.hidden_size, c.word_embed_proj_dim ?? c.hidden_size];
    const weight = normal(c.initializer_range);
    this.embed_tokens = new Embedding(c.vocab_size, E, weight);
    this.embed_positions = new Embedding(c.max_position_embeddings + offset, C, weight);
    this.project_out = E === C ? null : new Linear(C, E, { bias: false, weight });
    this.project_in = E === C ? null : new Linear(E, C, { bias: false, weight });
    this.final_layer_norm = c.do_layer_norm_before ? new LayerNorm(C) : null;
    this.layers = Array.from({ length: c.num_hidden_layers }, () => new Block(c));
  }
}

/** OPT without a head. */
export class OPTModel extends DecoderBody<OPTConfig> {
  readonly decoder: Decoder;
  constructor(config: Config) {
    const c = readConfig('opt', config, defaults, {
      aliases: { initializer_range: 'init_std' },
      refuse: { layer_norm_elementwise_affine: false, _remove_final_layer_norm: true },
    });
    if (c.hidden_size % c.num_attention_heads)
      throw new Error(
        `opt config: hidden_size ${c.hidden_size} doesn't divide into ${c.num_attention_heads} heads (num_attention_heads)`,
      );
    super(c, {
      contextLength: c.max_position_embeddings,
      layers: c.num_hidden_layers,
      windows: Array<null>(c.num_hidden_layers).fill(null),
      cacheHeads: c.num_attention_heads,
      headWidth: c.hidden_size / c.num_attention_heads,
      width: c.word_embed_proj_dim ?? c.hidden_size,
    });
    this.decoder = new Decoder(c);
  }

  forward(ids: Tensor, ctx: Context, o: ForwardOptions = {}): Hidden {
    const { embed_tokens, embed_positions, project_in, project_out, final_layer_norm, layers } = this.decoder;
    checkLength('opt', ids, this.config.max_position_embeddings);
    const mask = layerMasks(ids, o)(null);
    const at = (o.positions ?? range(sizeOf(ids, 1), ids.shape[1]!)).add(
      constant(BigInt64Array.of(BigInt(offset)), []),
    );
    const tokens = embed_tokens.forward(ids); // (B, T, E)
    const embedded = (project_in ? project_in.forward(tokens, ctx) : tokens).add(embed_positions.forward(at));
    const end = {
      forward: (x: Tensor): Tensor => {
        const normed = final_layer_norm ? final_layer_norm.forward(x) : x;
        return project_out ? project_out.forward(normed, ctx) : normed; // (B, T, E)
      },
    };
    const x = dropout(embedded, this.config.dropout, ctx); // (B, T, C)
    return throughBlocks(x, layers, o.past, (block, input, past) => block.forward(input, ctx, mask, past), end);
  }
}

/** OPT with its language-model head, in Hugging Face's weight names. */
export class OPTForCausalLM extends LanguageModel<OPTConfig> {
  readonly model: OPTModel;
  readonly lm_head: { readonly weight: Parameter };
  constructor(config: Config) {
    const model = new OPTModel(config);
    const head = languageHead(model.decoder.embed_tokens, model.config);
    super(model, head);
    this.model = model;
    this.lm_head = head;
  }
}

/** OPT's checkpoints. */
export const opt: Architecture = {
  classes: {
    OPTForCausalLM: (config) => new OPTForCausalLM(config),
    OPTModel: (config) => new OPTModel(config),
    ...headClasses({
      name: 'opt',
      prefix: 'OPT',
      body: (config) => new OPTModel(config),
      bodyName: 'model',
      spanBodyName: 'model',
      tokenScore: 'score',
    }),
  },
  prefix: 'model.',
  tied: ['lm_head.weight'],
};
