// What tokens look at (Bahdanau et al., 2015; Vaswani et al., 2017): the attention weights of a layer, head by head.
import type { Tokenizer } from '@brickwork/tokenizer';
import type { Model } from '@brickwork/transformer';
import { encodeOne } from './encode-one.ts';
import { layerAt, layerNames } from './layer-names.ts';

/** The weights of one layer's attention for a text. */
export interface AttentionMaps {
  readonly text: string;
  /** The tokens as they are to be shown: their part of the text, or their own name. */
  readonly tokens: readonly string[];
  /** From 0. */
  readonly layer: number;
  /** How many layers the model has. */
  readonly layers: number;
  /** Of each head T·T weights: row i holds what token i looks at, and adds up to 1. */
  readonly heads: readonly Float32Array[];
}

/**
 * The attention weights of a layer (counted from 0, or from the end: -1 is the last, which it is unless given) of an encoder,
 * a decoder, or the encoder of an encoder-decoder.
 *
 * @throws where there is no such layer, or the text has no tokens or more than the model sees.
 */
export async function attentionMaps(
  model: Model,
  tokenizer: Tokenizer,
  text: string,
  { layer = -1, signal }: { readonly layer?: number; readonly signal?: AbortSignal } = {},
): Promise<AttentionMaps> {
  const { attentions } = layerNames(model);
  const name = layerAt('attentionMaps', attentions, layer);
  const { encoding, inputs } = encodeOne('attentionMaps', model, tokenizer, text);
  const { [name]: weights } = await model.run(inputs, [name], signal && { signal });
  const [, H, T] = weights!.shape as [number, number, number, number];
  const size = T * T;
  return {
    text,
    tokens: encoding.tokens.map((token, t) => {
      const [start, end] = encoding.offsets[t]!;
      return shown(text.slice(start, end)) || shown(token);
    }),
    layer: attentions.indexOf(name),
    layers: attentions.length,
    heads: Array.from({ length: H }, (_, h) => (weights!.data as Float32Array).slice(h * size, (h + 1) * size)),
  };
}

// Without the space before it; what is nothing else has a sign of its own.
const shown = (part: string): string => part.trim() || part.replaceAll('\n', '⏎').replaceAll(/\s/g, '␣');

/** The mean of a layer's heads. */
export function meanHead({ heads }: Pick<AttentionMaps, 'heads'>): Float32Array {
  const mean = new Float32Array(heads[0]!.length);
  for (const head of heads) for (let i = 0; i < mean.length; i++) mean[i]! += head[i]! / heads.length;
  return mean;
}
