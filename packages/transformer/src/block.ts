// The Transformer's block: attention, then a feed-forward network, each with a residual connection and a norm that
// stands after the sum (post-norm, Vaswani et al., 2017) or before the sublayer (pre-norm, Xiong et al., 2020).
import { dropout, LayerNorm, Linear, type Context } from '@brickwork/nn';
import { geluTanh, type Tensor } from '@brickwork/graph';
import { MultiHeadAttention } from './multi-head-attention.ts';

interface BlockOptions {
  readonly norm?: 'pre' | 'post';
  /** Width of the feed-forward network; four times the block's unless given. */
  readonly inner?: number;
  readonly activation?: (x: Tensor) => Tensor;
  readonly dropout?: number;
  /** Width of an encoder's output to attend to as well; none unless given. */
  readonly sourceWidth?: number;
}

/** One block of an encoder or decoder; with `sourceWidth` it attends to a source between attention and feed-forward. */
export class TransformerBlock {
  readonly self_attn: MultiHeadAttention;
  readonly cross_attn: MultiHeadAttention | null;
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly norm1: LayerNorm;
  readonly norm_cross: LayerNorm | null;
  readonly norm2: LayerNorm;
  readonly norm: 'pre' | 'post';
  readonly dropout: number;
  readonly activation: (x: Tensor) => Tensor;
  constructor(width: number, heads: number, o: BlockOptions = {}) {
    const { norm = 'pre', inner = 4 * width, activation = geluTanh, dropout = 0, sourceWidth } = o;
    this.norm = norm;
    this.dropout = dropout;
    this.activation = activation;
    this.self_attn = new MultiHeadAttention(width, heads, { dropout });
    this.cross_attn = sourceWidth ? new MultiHeadAttention(width, heads, { sourceWidth, dropout }) : null;
    this.fc1 = new Linear(width, inner);
    this.fc2 = new Linear(inner, width);
    this.norm1 = new LayerNorm(width);
    this.norm_cross = sourceWidth ? new LayerNorm(width) : null;
    this.norm2 = new LayerNorm(width);
  }

  /** x (B, T, C): (B, T, C). `mask` is for the self-attention, `sourceMask` for that to the source. */
  forward(
    x: Tensor,
    ctx: Context,
    o: { mask?: Tensor | null; source?: Tensor; sourceMask?: Tensor | null } = {},
  ): Tensor {
    const { mask = null, source, sourceMask = null } = o;
    const around = (h: Tensor, norm: LayerNorm, sublayer: (h: Tensor) => Tensor): Tensor =>
      this.norm === 'pre'
        ? h.add(dropout(sublayer(norm.forward(h)), this.dropout, ctx))
        : norm.forward(h.add(dropout(sublayer(h), this.dropout, ctx)));
    let h = around(x, this.norm1, (t) => this.self_attn.forward(t, ctx, { mask }));
    if (this.cross_attn) {
      if (!source) throw new Error('TransformerBlock: it attends to a source, and none was given');
      h = around(h, this.norm_cross!, (t) => this.cross_attn!.forward(t, ctx, { source, mask: sourceMask }));
    }
    return around(h, this.norm2, (t) => this.fc2.forward(this.activation(this.fc1.forward(t))));
  }
}
