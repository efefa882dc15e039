// CLIP (Radford et al., 2021): an encoder of texts and one of images that agree on what belongs together.
import {
  add,
  argmax,
  cast,
  constant,
  div,
  equal,
  exp,
  expandLike,
  gatherElements,
  matmul,
  mul,
  range,
  reshape,
  show,
  sizeOf,
  slice,
  sqrt,
  squeeze,
  sum,
  transpose,
  unsqueeze,
  type Tensor,
} from '@brickwork/graph';
import { activation, crossEntropy, Embedding, fill, LayerNorm, Linear, normal, parameter } from '@brickwork/nn';
import type { Activation, Context, Network, NetworkInput, Outputs, Parameter } from '@brickwork/nn';
import {
  attention,
  attentionWeights,
  causalMask,
  encoderInputs,
  encoderOutputs,
  once,
  paddingMask,
  readConfig,
  throughEncoder,
  type Architecture,
  type Config,
  type Encoded,
  type EncoderLayerOutput,
  type Tensors,
} from '@brickwork/transformer';
import { checkHeads, checkPatches, readSize } from '../config.ts';
import { gridOf, PatchProjection, type Size } from '../patch-projection.ts';
import { checkImages, imageInput, prepend } from './vit.ts';

interface TowerConfig {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly projection_dim: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly hidden_act: string;
  readonly layer_norm_eps: number;
  readonly attention_dropout: number;
}
/** The fields of `text_config` that change the computation, with Hugging Face's defaults. */
export interface CLIPTextConfig extends TowerConfig {
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  /** The token at which a text is read; 2 stands for the largest id of the text, as in the first checkpoints. */
  readonly eos_token_id: number;
}
/** The fields of `vision_config` that change the computation, with Hugging Face's defaults. */
export interface CLIPVisionConfig extends TowerConfig {
  readonly num_channels: number;
  /** Height and width. */
  readonly image_size: Size;
  readonly patch_size: Size;
}
/** Both, and the width that they are projected to. */
export interface CLIPConfig {
  readonly text_config: CLIPTextConfig;
  readonly vision_config: CLIPVisionConfig;
  readonly projection_dim: number;
  readonly logit_scale_init_value: number;
}

const tower = { projection_dim: 512, hidden_act: 'quick_gelu', layer_norm_eps: 1e-5, attention_dropout: 0 };

function readTextConfig(config: Config): CLIPTextConfig {
  const c = readConfig('clip text', config, {
    ...tower,
    vocab_size: 49408,
    hidden_size: 512,
    intermediate_size: 2048,
    num_hidden_layers: 12,
    num_attention_heads: 8,
    max_position_embeddings: 77,
  });
  checkHeads('clip text', c.hidden_size, c.num_attention_heads);
  const { eos_token_id: eos = 49407 } = config as { eos_token_id?: unknown };
  if (!Number.isSafeInteger(eos) || (eos as number) < 0)
    throw new Error(`clip text config: eos_token_id is ${JSON.stringify(eos)}; needs the id of a token`);
  return { ...c, eos_token_id: eos as number };
}

function readVisionConfig(config: Config): CLIPVisionConfig {
  const c = readConfig('clip vision', config, {
    ...tower,
    hidden_size: 768,
    intermediate_size: 3072,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    num_channels: 3,
  });
  checkHeads('clip vision', c.hidden_size, c.num_attention_heads);
  const image_size = readSize('clip vision', config, 'image_size', 224);
  const patch_size = readSize('clip vision', config, 'patch_size', 32);
  if (image_size[0] !== image_size[1] || patch_size[0] !== patch_size[1])
    throw new Error('clip vision config: image_size or patch_size is not square; needs one number each');
  checkPatches('clip vision', { image: image_size, patch: patch_size });
  return { ...c, image_size, patch_size };
}

// The part of CLIP's config for one tower. As in Hugging Face, `text_config_dict` of old checkpoints goes before
// `text_config` in the whole model, and a tower alone reads the latter; a tower's own config is it itself.
function part(config: Config, name: 'text' | 'vision', { alone }: { readonly alone: boolean }): Config {
  const [old, usual] = [config[`${name}_config_dict`], config[`${name}_config`]];
  const found = alone ? (usual ?? old ?? config) : (old ?? usual ?? {});
  if (typeof found !== 'object' || found === null || Array.isArray(found))
    throw new Error(`clip config: ${name}_config is ${JSON.stringify(found)}; needs an object`);
  return found as Config;
}

class SelfAttention {
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly q_proj: Linear;
  readonly out_proj: Linear;
  readonly #c: TowerConfig;
  constructor(c: TowerConfig) {
    const C = c.hidden_size;
    const narrow = { weight: normal(C ** -0.5 * (2 * c.num_hidden_layers) ** -0.5) };
    this.#c = c;
    this.k_proj = new Linear(C, C, narrow);
    this.v_proj = new Linear(C, C, narrow);
    this.q_proj = new Linear(C, C, narrow);
    this.out_proj = new Linear(C, C, { weight: normal(C ** -0.5) });
  }
  forward(x: Tensor, ctx: Context, mask: Tensor | null): EncoderLayerOutput {
    const { hidden_size: C, num_attention_heads: H, attention_dropout: p } = this.#c;
    const [B, T] = x.shape as [number, number];
    const heads = (one: Linear): Tensor =>
      one
        .forward(x, ctx)
        .reshape([B, T, H, C / H])
        .permute([0, 2, 1, 3]);
    const [q, k, v] = [heads(this.q_proj), heads(this.k_proj), heads(this.v_proj)]; // (B, H, T, D)
    const y = attention(q, k, v, ctx, { mask, dropout: p }).permute([0, 2, 1, 3]).reshape([B, T, C]); // (B, T, C)
    return { x: this.out_proj.forward(y, ctx), weights: () => attentionWeights(q, k, { mask }) };
  }
}

class Layer {
  readonly self_attn: SelfAttention;
  readonly layer_norm1: LayerNorm;
  readonly mlp: { readonly fc1: Linear; readonly fc2: Linear };
  readonly layer_norm2: LayerNorm;
  readonly #act: Activation;
  constructor(c: TowerConfig) {
    const [C, wide] = [c.hidden_size, c.intermediate_size];
    const narrow = normal(C ** -0.5 * (2 * c.num_hidden_layers) ** -0.5);
    this.#act = activation(c.hidden_act);
    this.self_attn = new SelfAttention(c);
    this.layer_norm1 = norm(c);
    this.mlp = {
      fc1: new Linear(C, wide, { weight: normal((2 * C) ** -0.5) }),
      fc2: new Linear(wide, C, { weight: narrow }),
    };
    this.layer_norm2 = norm(c);
  }
  forward(x: Tensor, ctx: Context, mask: Tensor | null): EncoderLayerOutput {
    const attended = this.self_attn.forward(this.layer_norm1.forward(x), ctx, mask);
    const h = x.add(attended.x);
    const wide = this.#act(this.mlp.fc1.forward(this.layer_norm2.forward(h), ctx));
    return { x: h.add(this.mlp.fc2.forward(wide, ctx)), weights: attended.weights };
  }
}

const norm = (c: TowerConfig): LayerNorm => new LayerNorm(c.hidden_size, { epsilon: c.layer_norm_eps });
const layersOf = (c: TowerConfig): readonly Layer[] => Array.from({ length: c.num_hidden_layers }, () => new Layer(c));

/** What a tower makes of its inputs, and the state that stands for each of them as a whole (B, C). */
interface Read extends Encoded {
  readonly pooled: () => Tensor;
}

class TextEmbeddings {
  readonly token_embedding: Embedding;
  readonly position_embedding: Embedding;
  constructor(c: CLIPTextConfig) {
    this.token_embedding = new Embedding(c.vocab_size, c.hidden_size, normal(0.02));
    this.position_embedding = new Embedding(c.max_position_embeddings, c.hidden_size, normal(0.02));
  }
  forward(ids: Tensor, positions: Tensor | undefined): Tensor {
    const T = ids.shape[1]!;
    const table = this.position_embedding;
    const at = positions
      ? table.forward(positions) // (B, T, C)
      : typeof T === 'number'
        ? slice(table.weight, 0, 0, T) // (T, C)
        : table.forward(range(sizeOf(ids, 1), T));
    return add(this.token_embedding.forward(ids), at);
  }
}

class TextTower {
  readonly embeddings: TextEmbeddings;
  readonly encoder: { readonly layers: readonly Layer[] };
  readonly final_layer_norm: LayerNorm;
  readonly #c: CLIPTextConfig;
  constructor(c: CLIPTextConfig) {
    this.#c = c;
    this.embeddings = new TextEmbeddings(c);
    this.encoder = { layers: layersOf(c) };
    this.final_layer_norm = norm(c);
  }
  forward({ input_ids: ids, attention_mask: attended, position_ids: positions }: Tensors, ctx: Context): Read {
    if (ids?.rank !== 2) throw new Error(`clip: input_ids ${ids ? show(ids.shape) : 'missing'}; needs (B, T)`);
    const [T, most] = [ids.shape[1]!, this.#c.max_position_embeddings];
    if (typeof T === 'number' && T > most)
      throw new Error(`clip: a text of ${T} tokens, but max_position_embeddings is ${most}; cut it`);
    const causal = causalMask(ids, 1); // (T, T)
    const mask = attended ? add(paddingMask(attended), causal) : causal;
    const x = this.embeddings.forward(ids, positions);
    const read = throughEncoder(x, this.encoder.layers, (layer, h) => layer.forward(h, ctx, mask));
    const last = this.final_layer_norm.forward(read.last);
    return { ...read, last, pooled: once(() => this.#atEnd(last, ids)) };
  }
  // The state of the text's end: the first such token, or the first of the text where it has none.
  #atEnd(last: Tensor, ids: Tensor): Tensor {
    const eos = this.#c.eos_token_id;
    const marks = eos === 2 ? ids : cast(equal(ids, constant(BigInt64Array.of(BigInt(eos)), [])), 'int32');
    const end = unsqueeze(argmax(marks, 1, true), 2); // (B, 1, 1)
    return squeeze(gatherElements(last, expandLike(end, slice(last, 1, 0, 1)), 1), 1); // (B, C)
  }
}

class VisionEmbeddings {
  readonly class_embedding: Parameter;
  readonly patch_embedding: PatchProjection;
  readonly position_embedding: Embedding;
  constructor(c: CLIPVisionConfig) {
    const C = c.hidden_size;
    const [rows, columns] = gridOf(c.image_size, c.patch_size);
    this.class_embedding = parameter([C], normal(C ** -0.5));
    this.patch_embedding = new PatchProjection(c.num_channels, C, c.patch_size, { bias: false });
    this.position_embedding = new Embedding(rows * columns + 1, C, normal(0.02));
  }
  forward(pixels: Tensor): Tensor {
    const first = reshape(this.class_embedding, [1, 1, -1]);
    return prepend(first, this.patch_embedding.forward(pixels)).add(this.position_embedding.weight); // (B, T, C)
  }
}

class VisionTower {
  readonly embeddings: VisionEmbeddings;
  /** Spelled as in the checkpoints. */
  readonly pre_layrnorm: LayerNorm;
  readonly encoder: { readonly layers: readonly Layer[] };
  readonly post_layernorm: LayerNorm;
  readonly #c: CLIPVisionConfig;
  constructor(c: CLIPVisionConfig) {
    this.#c = c;
    this.embeddings = new VisionEmbeddings(c);
    this.pre_layrnorm = norm(c);
    this.encoder = { layers: layersOf(c) };
    this.post_layernorm = norm(c);
  }
  forward({ pixel_values }: Tensors, ctx: Context): Read {
    const x = this.pre_layrnorm.forward(this.embeddings.forward(checkImages('clip', pixel_values, this.#c.image_size)));
    const read = throughEncoder(x, this.encoder.layers, (layer, h) => layer.forward(h, ctx, null));
    return { ...read, pooled: once(() => this.post_layernorm.forward(squeeze(slice(read.last, 1, 0, 1), 1))) };
  }
}

const projection = (inputs: number, outputs: number): Linear =>
  new Linear(inputs, outputs, { bias: false, weight: normal(inputs ** -0.5) });
const textInputs = (c: CLIPTextConfig): Readonly<Record<string, NetworkInput>> =>
  encoderInputs(c.vocab_size, c.max_position_embeddings);

/** CLIP's encoder of texts, alone or with its projection. */
export class CLIPTextModel implements Network {
  readonly config: CLIPTextConfig;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly longest: { readonly T: number };
  readonly text_model: TextTower;
  readonly text_projection: Linear | null;
  constructor(config: Config, { projects = false }: { readonly projects?: boolean } = {}) {
    const c = readTextConfig(part(config, 'text', { alone: true }));
    this.config = c;
    this.inputs = textInputs(c);
    this.longest = { T: c.max_position_embeddings };
    this.text_model = new TextTower(c);
    this.text_projection = projects ? projection(c.hidden_size, c.projection_dim) : null;
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    const read = this.text_model.forward(inputs, ctx);
    const { text_projection: project } = this;
    return {
      ...encoderOutputs(read),
      ...(project ? { text_embeds: () => project.forward(read.pooled()) } : { pooler_output: read.pooled }),
    };
  }
}

/** CLIP's encoder of images, alone or with its projection. */
export class CLIPVisionModel implements Network {
  readonly config: CLIPVisionConfig;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly vision_model: VisionTower;
  readonly visual_projection: Linear | null;
  constructor(config: Config, { projects = false }: { readonly projects?: boolean } = {}) {
    const c = readVisionConfig(part(config, 'vision', { alone: true }));
    this.config = c;
    this.inputs = { pixel_values: imageInput(c) };
    this.vision_model = new VisionTower(c);
    this.visual_projection = projects ? projection(c.hidden_size, c.projection_dim) : null;
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    const read = this.vision_model.forward(inputs, ctx);
    const { visual_projection: project } = this;
    return {
      ...encoderOutputs(read),
      ...(project ? { image_embeds: () => project.forward(read.pooled()) } : { pooler_output: read.pooled }),
    };
  }
}

// Vectors (N, C) of length 1.
const unit = (x: Tensor): Tensor => div(x, sqrt(sum(mul(x, x), [1], true)));

/**
 * Both encoders. `logits_per_text` (texts, images) says how well each text fits each image; `loss` is of a batch in which
 * text i belongs to image i.
 */
export class CLIPModel implements Network {
  readonly config: CLIPConfig;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly longest: { readonly T: number };
  readonly logit_scale: Parameter;
  readonly text_model: TextTower;
  readonly vision_model: VisionTower;
  readonly visual_projection: Linear;
  readonly text_projection: Linear;
  constructor(config: Config) {
    const own = readConfig('clip', config, { projection_dim: 512, logit_scale_init_value: 2.6592 });
    const text = readTextConfig(part(config, 'text', { alone: false }));
    const vision = readVisionConfig(part(config, 'vision', { alone: false }));
    this.config = { ...own, text_config: text, vision_config: vision };
    const image = imageInput(vision);
    // As many images as one likes for as many texts; equally many for the loss.
    this.inputs = { ...textInputs(text), pixel_values: { ...image, shape: ['N', ...image.shape.slice(1)] } };
    this.longest = { T: text.max_position_embeddings };
    this.logit_scale = parameter([], fill(own.logit_scale_init_value));
    this.text_model = new TextTower(text);
    this.vision_model = new VisionTower(vision);
    this.visual_projection = projection(vision.hidden_size, own.projection_dim);
    this.text_projection = projection(text.hidden_size, own.projection_dim);
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    const texts = this.text_model.forward(inputs, ctx);
    const images = this.vision_model.forward(inputs, ctx);
    const textEmbeds = once(() => unit(this.text_projection.forward(texts.pooled(), ctx))); // (B, P)
    const imageEmbeds = once(() => unit(this.visual_projection.forward(images.pooled(), ctx))); // (N, P)
    const perText = once(() => mul(matmul(textEmbeds(), imageEmbeds(), { transB: true }), exp(this.logit_scale))); // (B, N)
    const perImage = once(() => transpose(perText())); // (N, B)
    const named = (name: string, read: Read): Outputs => ({
      [`${name}.last_hidden_state`]: () => read.last,
      [`${name}.pooler_output`]: read.pooled,
    });
    return {
      logits_per_image: perImage,
      logits_per_text: perText,
      text_embeds: textEmbeds,
      image_embeds: imageEmbeds,
      loss: () => ownPairLoss(perText()).add(ownPairLoss(perImage())).mul(0.5),
      ...named('text_model_output', texts),
      ...named('vision_model_output', images),
    };
  }
}

// Cross-entropy of row i's own being column i.
const ownPairLoss = (scores: Tensor): Tensor => crossEntropy(scores, range(sizeOf(scores, 0), scores.shape[0]!));

// Old checkpoints carry the positions as a buffer.
const sanitize = (name: string): string | null => (/(^|\.)embeddings\.position_ids$/.test(name) ? null : name);
const textClasses: Architecture['classes'] = {
  CLIPTextModel: (config) => new CLIPTextModel(config),
  CLIPTextModelWithProjection: (config) => new CLIPTextModel(config, { projects: true }),
};
const visionClasses: Architecture['classes'] = {
  CLIPVisionModel: (config) => new CLIPVisionModel(config),
  CLIPVisionModelWithProjection: (config) => new CLIPVisionModel(config, { projects: true }),
};

/** CLIP's checkpoints. */
export const clip: Architecture = {
  classes: { CLIPModel: (config) => new CLIPModel(config), ...textClasses, ...visionClasses },
  prefix: '',
  sanitize,
};
/** Checkpoints of CLIP's encoder of texts alone. */
export const clipText: Architecture = { classes: textClasses, prefix: '', sanitize };
/** Checkpoints of CLIP's encoder of images alone. */
export const clipVision: Architecture = { classes: visionClasses, prefix: '', sanitize };
