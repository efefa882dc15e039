// The head of BART and its kin: a matrix, mostly the embeddings, and a bias of the logits that no gradient changes.
import { squeeze, type Tensor } from '@brickwork/graph';
import { affine, buffer, linearCrossEntropy, zeros, type Context, type Parameter } from '@brickwork/nn';
import type { Past } from './attention.ts';
import type { Encoded } from './heads/encoder-outputs.ts';
import type { DecodeOptions, Decoded, EncoderDecoder, Memory } from './seq2seq.ts';

/** An encoder-decoder's two halves, which stand in `model`, with such a head: logits = h W' + `final_logits_bias`. */
export class HeadedEncoderDecoder<Body extends EncoderDecoder> implements EncoderDecoder {
  readonly model: Body;
  readonly final_logits_bias: Parameter;
  readonly lm_head: { readonly weight: Parameter };
  /** @param weight of the head, (V, C) */
  constructor(model: Body, weight: Parameter) {
    this.model = model;
    this.final_logits_bias = buffer([1, weight.shape[0] as number], zeros);
    this.lm_head = { weight };
  }
  get sourceLength(): number {
    return this.model.sourceLength;
  }
  get contextLength(): number {
    return this.model.contextLength;
  }
  get longest(): Readonly<Record<string, number>> {
    return { S: this.sourceLength, T: this.contextLength };
  }
  get layers(): number {
    return this.model.layers;
  }
  get cacheHeads(): number {
    return this.model.cacheHeads;
  }
  get headWidth(): number {
    return this.model.headWidth;
  }
  encode(ids: Tensor, ctx: Context, attentionMask?: Tensor): Encoded {
    return this.model.encode(ids, ctx, attentionMask);
  }
  remember(encoded: Tensor, ctx: Context): readonly Past[] {
    return this.model.remember(encoded, ctx);
  }
  decode(ids: Tensor, ctx: Context, memory: Memory, o?: DecodeOptions): Decoded {
    return this.model.decode(ids, ctx, memory, o);
  }

  head(hidden: Tensor): Tensor {
    return affine(hidden, this.lm_head.weight, squeeze(this.final_logits_bias, 0), { transB: true }); // (…, V)
  }

  loss(hidden: Tensor, labels: Tensor): Tensor {
    const rows = hidden.reshape([-1, hidden.shape[2]!]); // (N, C)
    const bias = squeeze(this.final_logits_bias, 0); // (V)
    return linearCrossEntropy(rows, this.lm_head.weight, labels.reshape([-1]), bias).loss;
  }
}
