// Multi-head attention (Vaswani et al., 2017, section 3.2.2): H attentions side by side, each on its own projection.
import { Linear, type Context } from '@brickwork/nn';
import { show, type Tensor } from '@brickwork/graph';
import { attention } from './attention.ts';

interface MultiHeadAttentionOptions {
  /** Width of the keys' and values' source; that of the queries unless given (cross-attention). */
  readonly sourceWidth?: number;
  readonly bias?: boolean;
  /** Probability with which an attention weight is dropped while training. */
  readonly dropout?: number;
}

/** Queries from `x`, keys and values from `source`: `x` itself for self-attention, an encoder's output for cross-attention. */
export class MultiHeadAttention {
  readonly q_proj: Linear;
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly out_proj: Linear;
  readonly heads: number;
  readonly dropout: number;
  constructor(
    width: number,
    heads: number,
    { sourceWidth = width, bias = true, dropout = 0 }: MultiHeadAttentionOptions = {},
  ) {
    if (width % heads) throw new Error(`MultiHeadAttention: width ${width} doesn't divide into ${heads} heads`);
    this.heads = heads;
    this.dropout = dropout;
    this.q_proj = new Linear(width, width, { bias });
    this.k_proj = new Linear(sourceWidth, width, { bias });
    this.v_proj = new Linear(sourceWidth, width, { bias });
    this.out_proj = new Linear(width, width, { bias });
  }
  /** x (B, T, C), source (B, S, C'), mask broadcast to (B, H, T, S): (B, T, C). */
  forward(
    x: Tensor,
    ctx: Context,
    { source = x, mask = null }: { source?: Tensor; mask?: Tensor | null } = {},
  ): Tensor {
    if (x.rank !== 3 || source.rank !== 3)
      throw new Error(`MultiHeadAttention: x ${show(x.shape)}, source ${show(source.shape)}; both need (B, T, C)`);
    const split = (t: Tensor): Tensor => {
      const [B, T, C] = t.shape;
      return t.reshape([B!, T!, this.heads, (C as number) / this.heads]).permute([0, 2, 1, 3]); // (B, H, T, D)
    };
    const [q, k, v] = [
      split(this.q_proj.forward(x)),
      split(this.k_proj.forward(source)),
      split(this.v_proj.forward(source)),
    ];
    const y = attention(q, k, v, ctx, { mask, dropout: this.dropout }); // (B, H, T, D)
    return this.out_proj.forward(y.permute([0, 2, 1, 3]).reshape(x.shape)); // (B, T, C)
  }
}
