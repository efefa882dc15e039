// The stacks of an encoder and of a decoder with cross-attention, run from the embeddings to the end.
import type { Tensor } from '@brickwork/graph';
import type { Past } from './attention.ts';
import type { Encoded } from './heads/encoder-outputs.ts';
import type { Decoded } from './seq2seq.ts';

/** What an encoder's layer gives: its output (B, S, C) and its attention's weights (B, H, S, S). */
export interface EncoderLayerOutput {
  readonly x: Tensor;
  readonly weights: () => Tensor;
}

/** What a decoder's layer gives: its output (B, T, C), its new keys and values, and the weights of both attentions. */
export interface DecoderLayerOutput extends EncoderLayerOutput {
  readonly present: Past;
  readonly crossWeights: () => Tensor;
}

/** Runs `x` (B, S, C) through an encoder's layers, and through `end` after the last. */
export function throughEncoder<L>(
  x: Tensor,
  layers: readonly L[],
  run: (layer: L, x: Tensor, index: number) => EncoderLayerOutput,
  end: (x: Tensor) => Tensor = (same) => same,
): Encoded {
  const all: Tensor[] = [];
  const attentions: (() => Tensor)[] = [];
  layers.forEach((layer, index) => {
    all.push(x);
    const out = run(layer, x, index);
    x = out.x;
    attentions.push(out.weights);
  });
  const last = end(x);
  return { last, all: [...all, last], attentions };
}

/** Runs `x` (B, T, C) through a decoder's layers, and through `end` after the last. */
export function throughDecoder<L>(
  x: Tensor,
  layers: readonly L[],
  run: (layer: L, x: Tensor, index: number) => DecoderLayerOutput,
  end?: (x: Tensor) => Tensor,
): Decoded {
  const outputs: DecoderLayerOutput[] = [];
  const collect = (layer: L, input: Tensor, index: number): DecoderLayerOutput => {
    const out = run(layer, input, index);
    outputs.push(out);
    return out;
  };
  const encoded = throughEncoder(x, layers, collect, end);
  return {
    ...encoded,
    present: outputs.map((out) => out.present),
    crossAttentions: outputs.map((out) => out.crossWeights),
  };
}
