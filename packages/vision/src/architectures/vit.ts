// ViT (Dosovitskiy et al., 2021): an image is a sentence of patches, read by a Transformer encoder.
import { concat, expandLike, slice, squeeze, tanh, type Tensor } from '@brickwork/graph';
import { activation, dropout, LayerNorm, Linear, normal, parameter } from '@brickwork/nn';
import type { Activation, Context, Network, NetworkInput, Outputs, Parameter } from '@brickwork/nn';
import {
  attention,
  attentionWeights,
  classifierOutputs,
  classLabels,
  encoderOutputs,
  readConfig,
  readLabels,
  throughEncoder,
  type Architecture,
  type Config,
  type Encoded,
  type EncoderLayerOutput,
  type Labels,
  type Tensors,
} from '@brickwork/transformer';
import { checkHeads, checkPatches, readSize } from '../config.ts';
import { gridOf, PatchProjection, type Size } from '../patch-projection.ts';

/** What the layers of ViT and its kin read. */
export interface ViTLayerConfig {
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly hidden_act: string;
  readonly hidden_dropout_prob: number;
  readonly attention_probs_dropout_prob: number;
  readonly initializer_range: number;
  readonly layer_norm_eps: number;
  /** Whether queries, keys and values have a bias. */
  readonly qkv_bias: boolean;
}
/** The fields of config.json that change the computation, with Hugging Face's defaults. */
export interface ViTConfig extends ViTLayerConfig {
  readonly num_channels: number;
  /** Height and width. */
  readonly image_size: Size;
  readonly patch_size: Size;
  /** What a classifier tells apart. */
  readonly labels: Labels;
}

/** Reads the config of ViT, or of a network that has its layers. */
export function readViTConfig(architecture: string, config: Config): ViTConfig {
  const c = readConfig(architecture, config, {
    hidden_size: 768,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    intermediate_size: 3072,
    hidden_act: 'gelu',
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    initializer_range: 0.02,
    layer_norm_eps: 1e-12,
    qkv_bias: true,
    num_channels: 3,
  });
  checkHeads(architecture, c.hidden_size, c.num_attention_heads);
  if (Object.keys(config['pruned_heads'] ?? {}).length)
    throw new Error(`${architecture} config: pruned_heads is not empty, which isn't implemented; needs all heads`);
  const image_size = readSize(architecture, config, 'image_size', 224);
  const patch_size = readSize(architecture, config, 'patch_size', 16);
  checkPatches(architecture, { image: image_size, patch: patch_size });
  return { ...c, image_size, patch_size, labels: readLabels(architecture, config) };
}

const linear = (c: ViTLayerConfig, inputs: number, outputs: number, bias = true): Linear =>
  new Linear(inputs, outputs, { bias, weight: normal(c.initializer_range) });
const norm = (c: ViTLayerConfig): LayerNorm => new LayerNorm(c.hidden_size, { epsilon: c.layer_norm_eps });

class SelfAttention {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly #c: ViTLayerConfig;
  constructor(c: ViTLayerConfig) {
    const C = c.hidden_size;
    this.#c = c;
    this.query = linear(c, C, C, c.qkv_bias);
    this.key = linear(c, C, C, c.qkv_bias);
    this.value = linear(c, C, C, c.qkv_bias);
  }
  forward(x: Tensor, ctx: Context): EncoderLayerOutput {
    const { hidden_size: C, num_attention_heads: H, attention_probs_dropout_prob: p } = this.#c;
    const [B, T] = x.shape as [number, number];
    const heads = (one: Linear): Tensor =>
      one
        .forward(x, ctx)
        .reshape([B, T, H, C / H])
        .permute([0, 2, 1, 3]);
    const [q, k, v] = [heads(this.query), heads(this.key), heads(this.value)]; // (B, H, T, D)
    const y = attention(q, k, v, ctx, { dropout: p });
    return { x: y.permute([0, 2, 1, 3]).reshape([B, T, C]), weights: () => attentionWeights(q, k) }; // (B, T, C)
  }
}

/** Attention and a feed-forward network, each on a normed input and added to it. */
export class ViTLayer {
  readonly attention: { readonly attention: SelfAttention; readonly output: { readonly dense: Linear } };
  readonly intermediate: { readonly dense: Linear };
  readonly output: { readonly dense: Linear };
  readonly layernorm_before: LayerNorm;
  readonly layernorm_after: LayerNorm;
  readonly #act: Activation;
  readonly #dropout: number;
  constructor(c: ViTLayerConfig) {
    const [C, wide] = [c.hidden_size, c.intermediate_size];
    this.#act = activation(c.hidden_act);
    this.#dropout = c.hidden_dropout_prob;
    this.attention = { attention: new SelfAttention(c), output: { dense: linear(c, C, C) } };
    this.intermediate = { dense: linear(c, C, wide) };
    this.output = { dense: linear(c, wide, C) };
    this.layernorm_before = norm(c);
    this.layernorm_after = norm(c);
  }
  forward(x: Tensor, ctx: Context): EncoderLayerOutput {
    const dropped = (y: Tensor): Tensor => dropout(y, this.#dropout, ctx);
    const attended = this.attention.attention.forward(this.layernorm_before.forward(x), ctx);
    const h = dropped(this.attention.output.dense.forward(attended.x, ctx)).add(x);
    const wide = this.#act(this.intermediate.dense.forward(this.layernorm_after.forward(h), ctx));
    return { x: dropped(this.output.dense.forward(wide, ctx)).add(h), weights: attended.weights };
  }
}

/** The layers of a config. */
export const vitLayers = (c: ViTLayerConfig): readonly ViTLayer[] =>
  Array.from({ length: c.num_hidden_layers }, () => new ViTLayer(c));

/** Runs `x` (B, T, C) through layers; as in Hugging Face, the last of `all` is what stands before `end`. */
export function throughViT(
  x: Tensor,
  ctx: Context,
  { layers, end }: { readonly layers: readonly ViTLayer[]; readonly end: LayerNorm },
): Encoded {
  const { last, all, attentions } = throughEncoder(x, layers, (layer, h) => layer.forward(h, ctx));
  return { last: end.forward(last), all, attentions };
}

/** Puts a learned vector (1, 1, C) before the vectors (B, T, C) of every image: (B, T + 1, C). */
export const prepend = (vector: Tensor, x: Tensor): Tensor => concat([expandLike(vector, slice(x, 1, 0, 1)), x], 1);

class Embeddings {
  readonly cls_token: Parameter;
  readonly position_embeddings: Parameter;
  readonly patch_embeddings: { readonly projection: PatchProjection };
  readonly #dropout: number;
  constructor(c: ViTConfig) {
    const [weight, C] = [normal(c.initializer_range), c.hidden_size];
    const [rows, columns] = gridOf(c.image_size, c.patch_size);
    this.#dropout = c.hidden_dropout_prob;
    this.cls_token = parameter([1, 1, C], weight);
    this.position_embeddings = parameter([1, rows * columns + 1, C], weight);
    this.patch_embeddings = { projection: new PatchProjection(c.num_channels, C, c.patch_size, { weight }) };
  }
  forward(pixels: Tensor, ctx: Context): Tensor {
    const x = prepend(this.cls_token, this.patch_embeddings.projection.forward(pixels)); // (B, T, C)
    return dropout(x.add(this.position_embeddings), this.#dropout, ctx);
  }
}

/** The first token's state through a layer and tanh: (B, T, C) to (B, C). */
class Pooler {
  readonly dense: Linear;
  constructor(c: ViTConfig) {
    this.dense = linear(c, c.hidden_size, c.hidden_size);
  }
  forward(hidden: Tensor): Tensor {
    return tanh(this.dense.forward(firstOf(hidden)));
  }
}
const firstOf = (hidden: Tensor): Tensor => squeeze(slice(hidden, 1, 0, 1), 1); // (B, C)

/** Images of the config's size. */
export const imageInput = (c: { readonly num_channels: number; readonly image_size: Size }): NetworkInput => ({
  dtype: 'float32',
  shape: ['B', c.num_channels, ...c.image_size],
});

/** Says what is wrong with images that aren't of the config's size. */
export function checkImages(architecture: string, pixels: Tensor | undefined, size: Size): Tensor {
  if (pixels?.rank !== 4 || pixels.shape[2] !== size[0] || pixels.shape[3] !== size[1])
    throw new Error(
      `${architecture}: pixel_values ${pixels ? `(${pixels.shape.join(', ')})` : 'missing'}; needs (B, C, ${size.join(', ')}), the config's image_size: resize the images`,
    );
  return pixels;
}

/** ViT's body. */
export class ViTModel implements Network {
  readonly config: ViTConfig;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly embeddings: Embeddings;
  readonly encoder: { readonly layer: readonly ViTLayer[] };
  readonly layernorm: LayerNorm;
  readonly pooler: Pooler | null;
  constructor(config: Config, { pooler = true }: { readonly pooler?: boolean } = {}) {
    const c = readViTConfig('vit', config);
    this.config = c;
    this.inputs = { pixel_values: imageInput(c) };
    this.embeddings = new Embeddings(c);
    this.encoder = { layer: vitLayers(c) };
    this.layernorm = norm(c);
    this.pooler = pooler ? new Pooler(c) : null;
  }
  encode({ pixel_values }: Tensors, ctx: Context): Encoded {
    const pixels = checkImages('vit', pixel_values, this.config.image_size);
    return throughViT(this.embeddings.forward(pixels, ctx), ctx, { layers: this.encoder.layer, end: this.layernorm });
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    const encoded = this.encode(inputs, ctx);
    const { pooler } = this;
    return { ...encoderOutputs(encoded), ...(pooler && { pooler_output: () => pooler.forward(encoded.last) }) };
  }
}

/** ViT with a score for each label, from the first token. */
export class ViTForImageClassification implements Network {
  readonly config: ViTConfig;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly vit: ViTModel;
  readonly classifier: Linear;
  constructor(config: Config) {
    this.vit = new ViTModel(config, { pooler: false });
    this.config = this.vit.config;
    this.inputs = { ...this.vit.inputs, labels: classLabels(this.config.labels) };
    this.classifier = linear(this.config, this.config.hidden_size, this.config.labels.count);
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    const encoded = this.vit.encode(inputs, ctx);
    const score = (): Tensor => this.classifier.forward(firstOf(encoded.last), ctx);
    return { ...classifierOutputs(score, inputs['labels'], this.config.labels), ...encoderOutputs(encoded) };
  }
}

/** ViT's checkpoints. */
export const vit: Architecture = {
  classes: {
    ViTForImageClassification: (config) => new ViTForImageClassification(config),
    ViTModel: (config) => new ViTModel(config),
  },
  prefix: 'vit.',
  // Of a body that was saved with what a class here does without.
  tied: ['vit.pooler.dense.weight', 'vit.pooler.dense.bias', 'vit.embeddings.mask_token'],
};
