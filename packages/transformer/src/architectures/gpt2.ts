// GPT-2 (Radford et al., 2019): a pre-norm Transformer decoder with learned positions and a tied head.
import { range, sizeOf, slice, split, type Tensor } from '@brickwork/graph';
import { activation, Conv1D, dropout, Embedding, LayerNorm, normal } from '@brickwork/nn';
import type { Activation, Context, Parameter } from '@brickwork/nn';
import type { Architecture, Config } from '../architecture.ts';
import { attention, attentionWeights, type AttentionOutput, type Past } from '../attention.ts';
import { headClasses } from '../causal-heads.ts';
import type { ForwardOptions, Hidden } from '../causal-lm.ts';
import { readConfig } from '../config.ts';
import { checkLength, DecoderBody, LanguageModel, languageHead } from '../decoder-body.ts';
import { layerMasks } from '../mask.ts';
import { throughBlocks, type BlockOutput } from '../through-blocks.ts';

/** The fields of config.json that change the computation, with Hugging Face's defaults. */
export interface GPT2Config {
  readonly vocab_size: number;
  readonly n_positions: number;
  readonly n_embd: number;
  readonly n_layer: number;
  readonly n_head: number;
  readonly n_inner: number | null;
  readonly activation_function: string;
  readonly embd_pdrop: number;
  readonly resid_pdrop: number;
  readonly attn_pdrop: number;
  readonly layer_norm_epsilon: number;
  readonly initializer_range: number;
  readonly scale_attn_weights: boolean;
  readonly scale_attn_by_inverse_layer_idx: boolean;
  readonly tie_word_embeddings: boolean;
}
const defaults: GPT2Config = {
  vocab_size: 50257,
  n_positions: 1024,
  n_embd: 768,
  n_layer: 12,
  n_head: 12,
  n_inner: null,
  activation_function: 'gelu_new',
  embd_pdrop: 0.1,
  resid_pdrop: 0.1,
  attn_pdrop: 0.1,
  layer_norm_epsilon: 1e-5,
  initializer_range: 0.02,
  scale_attn_weights: true,
  scale_attn_by_inverse_layer_idx: false,
  tie_word_embeddings: true,
};

class Attention {
  readonly c_attn: Conv1D;
  readonly c_proj: Conv1D;
  readonly #config: GPT2Config;
  readonly #scale: number;
  constructor(c: GPT2Config, layer: number) {
    const deviation = c.initializer_range;
    this.#config = c;
    this.#scale =
      (c.scale_attn_weights ? (c.n_embd / c.n_head) ** -0.5 : 1) / (c.scale_attn_by_inverse_layer_idx ? layer + 1 : 1);
    this.c_attn = new Conv1D(c.n_embd, 3 * c.n_embd, normal(deviation));
    this.c_proj = new Conv1D(c.n_embd, c.n_embd, normal(deviation / Math.sqrt(2 * c.n_layer)));
  }
  forward(x: Tensor, ctx: Context, mask: Tensor, past: Past | null): AttentionOutput {
    const { n_embd: C, n_head: H, attn_pdrop, resid_pdrop } = this.#config;
    const [B, T] = x.shape as [number, number];
    const qkv = this.c_attn
      .forward(x, ctx)
      .reshape([B, T, 3 * H, C / H])
      .permute([0, 2, 1, 3]); // (B, 3H, T, D)
    const [q, key, value] = split(qkv, 3, 1) as [Tensor, Tensor, Tensor]; // (B, H, T, D)
    const o = attention(q, key, value, ctx, { mask, scale: this.#scale, dropout: attn_pdrop, past });
    const y = this.c_proj.forward(o.permute([0, 2, 1, 3]).reshape([B, T, C]), ctx); // (B, T, C)
    const weights = (): Tensor => attentionWeights(q, key, { mask, scale: this.#scale, past });
    return { y: dropout(y, resid_pdrop, ctx), present: { key, value }, weights };
  }
}

class MLP {
  readonly c_fc: Conv1D;
  readonly c_proj: Conv1D;
  readonly #act: Activation;
  readonly #dropout: number;
  constructor(c: GPT2Config) {
    const inner = c.n_inner ?? 4 * c.n_embd;
    this.#act = activation(c.activation_function);
    this.#dropout = c.resid_pdrop;
    this.c_fc = new Conv1D(c.n_embd, inner, normal(c.initializer_range));
    this.c_proj = new Conv1D(inner, c.n_embd, normal(c.initializer_range / Math.sqrt(2 * c.n_layer)));
  }
  forward(x: Tensor, ctx: Context): Tensor {
    return dropout(this.c_proj.forward(this.#act(this.c_fc.forward(x, ctx)), ctx), this.#dropout, ctx);
  }
}

class Block {
  readonly ln_1: LayerNorm;
  readonly attn: Attention;
  readonly ln_2: LayerNorm;
  readonly mlp: MLP;
  constructor(c: GPT2Config, layer: number) {
    const epsilon = c.layer_norm_epsilon;
    this.ln_1 = new LayerNorm(c.n_embd, { epsilon });
    this.attn = new Attention(c, layer);
    this.ln_2 = new LayerNorm(c.n_embd, { epsilon });
    this.mlp = new MLP(c);
  }
  forward(x: Tensor, ctx: Context, mask: Tensor, past: Past | null): BlockOutput {
    const { y, present, weights } = this.attn.forward(this.ln_1.forward(x), ctx, mask, past);
    const h = x.add(y);
    return { x: h.add(this.mlp.forward(this.ln_2.forward(h), ctx)), present, weights };
  }
}

/** GPT-2 without a head. */
export class GPT2Model extends DecoderBody<GPT2Config> {
  readonly wte: Embedding;
  readonly wpe: Embedding;
  readonly h: readonly Block[];
  readonly ln_f: LayerNorm;
  constructor(config: Config) {
    const c = readConfig('gpt2', config, defaults, {
      aliases: {
        n_positions: 'max_position_embeddings',
        n_embd: 'hidden_size',
        n_layer: 'num_hidden_layers',
        n_head: 'num_attention_heads',
      },
      // reorder_and_upcast_attn changes nothing in float32.
      refuse: { add_cross_attention: true },
    });
    if (c.n_embd % c.n_head)
      throw new Error(`gpt2 config: n_embd ${c.n_embd} doesn't divide into ${c.n_head} heads (n_head)`);
    super(c, {
      contextLength: c.n_positions,
      layers: c.n_layer,
      windows: Array<null>(c.n_layer).fill(null),
      cacheHeads: c.n_head,
      headWidth: c.n_embd / c.n_head,
      width: c.n_embd,
    });
    this.wte = new Embedding(c.vocab_size, c.n_embd, normal(c.initializer_range));
    this.wpe = new Embedding(c.n_positions, c.n_embd, normal(c.initializer_range));
    this.h = Array.from({ length: c.n_layer }, (_, layer) => new Block(c, layer));
    this.ln_f = new LayerNorm(c.n_embd, { epsilon: c.layer_norm_epsilon });
  }

  forward(ids: Tensor, ctx: Context, o: ForwardOptions = {}): Hidden {
    const { wte, wpe, h, ln_f } = this;
    checkLength('gpt2', ids, this.config.n_positions, 'n_positions');
    const mask = layerMasks(ids, o)(null);
    const T = ids.shape[1]!;
    const positions = o.positions
      ? wpe.forward(o.positions) // (B, T, C)
      : typeof T === 'number'
        ? slice(wpe.weight, 0, 0, T) // (T, C)
        : wpe.forward(range(sizeOf(ids, 1), T));
    const x = dropout(wte.forward(ids).add(positions), this.config.embd_pdrop, ctx); // (B, T, C)
    return throughBlocks(x, h, o.past, (block, input, past) => block.forward(input, ctx, mask, past), ln_f);
  }
}

/** GPT-2 with its language-model head, in Hugging Face's weight names. */
export class GPT2LMHeadModel extends LanguageModel<GPT2Config> {
  readonly transformer: GPT2Model;
  readonly lm_head: { readonly weight: Parameter };
  constructor(config: Config) {
    const transformer = new GPT2Model(config);
    const head = languageHead(transformer.wte, transformer.config);
    super(transformer, head);
    this.transformer = transformer;
    this.lm_head = head;
  }
}

/** GPT-2's checkpoints. */
export const gpt2: Architecture = {
  classes: {
    GPT2LMHeadModel: (config) => new GPT2LMHeadModel(config),
    GPT2Model: (config) => new GPT2Model(config),
    ...headClasses({
      name: 'gpt2',
      prefix: 'GPT2',
      body: (config) => new GPT2Model(config),
      bodyName: 'transformer',
      spanBodyName: 'transformer',
      tokenScore: 'classifier',
    }),
  },
  prefix: 'transformer.',
  // Old checkpoints carry the causal mask as a buffer.
  sanitize: (name) => (/\.attn\.(masked_)?bias$/.test(name) ? null : name),
  tied: ['lm_head.weight'],
};
