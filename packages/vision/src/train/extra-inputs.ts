// What batches have besides images: noise that hides patches or draws numbers, and the texts that belong to images.
import type { Network, Random } from '@brickwork/nn';
import { hostTensor } from '@brickwork/runtime';
import { padded, type NamedBatch } from '@brickwork/training';
import type { Tokenizer } from '@brickwork/tokenizer';
import type { ImageBatchesOptions } from '../data/image-batches.ts';

/** For the option `inputs` of `imageBatches`. */
export type ExtraInputs = NonNullable<ImageBatchesOptions['inputs']>;

/**
 * `noise` for each image, as a network takes it: uniform, so that a masked autoencoder hides random patches, or normal, so that
 * a variational autoencoder draws from what it thinks. For the network's images it is always the same in evaluation.
 *
 * @throws where the network takes no noise.
 */
export function noiseInputs(network: Network, distribution: 'uniform' | 'normal'): ExtraInputs {
  const size = network.inputs['noise']?.shape[1];
  if (typeof size !== 'number')
    throw new Error(`noise: the network takes ${Object.keys(network.inputs).join(', ')}; needs one that takes noise`);
  return (indices: readonly number[], draw: Random): NamedBatch => {
    const values = Float32Array.from({ length: indices.length * size }, () => draw[distribution]());
    return { noise: hostTensor(values, [indices.length, size]) };
  };
}

/** Texts that belong to images, as CLIP is trained on them. */
export interface TextInputsOptions {
  /** One text for each image of the set. */
  readonly texts: readonly string[];
  /** Most tokens of a text, its ends included; all texts are filled up to it. */
  readonly maxLength: number;
}

/**
 * `input_ids` and `attention_mask` (B, maxLength) of each image's text.
 *
 * @throws where an image has no text.
 */
export function textInputs(tokenizer: Tokenizer, { texts, maxLength }: TextInputsOptions): ExtraInputs {
  const known = new Map<number, readonly number[]>();
  return (indices) =>
    paddedTexts(
      indices.map((i) => {
        const text = texts[i];
        if (text === undefined) throw new Error(`texts: there is none for image ${i}; there are ${texts.length}`);
        const ids = known.get(i) ?? tokenizer.encode(text, { maxLength }).ids;
        known.set(i, ids);
        return ids;
      }),
      maxLength,
    );
}

/** Ids of texts as `input_ids` and `attention_mask` (B, length), filled up on the right; `length` is the longest unless given. */
export function paddedTexts(rows: readonly (readonly number[])[], length?: number): NamedBatch {
  const o = { value: 0, multiple: length ?? 1, ...(length !== undefined && { limit: length }) };
  return {
    input_ids: padded(
      rows.map((row) => Int32Array.from(row)),
      o,
    ),
    attention_mask: padded(
      rows.map((row) => new Int32Array(row.length).fill(1)),
      o,
    ),
  };
}
