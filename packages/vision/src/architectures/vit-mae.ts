// Masked autoencoder (He et al., 2022): a ViT sees a part of an image's patches, and a small decoder paints the others.
import {
  cast,
  concat,
  div,
  expandLike,
  gatherElements,
  mean,
  mul,
  neg,
  permute,
  slice,
  sqrt,
  sub,
  sum,
  topk,
  unsqueeze,
  where,
  less,
  type Tensor,
} from '@brickwork/graph';
import { buffer, LayerNorm, Linear, normal, parameter } from '@brickwork/nn';
import type { Context, Network, NetworkInput, Outputs, Parameter } from '@brickwork/nn';
import {
  encoderOutputs,
  once,
  readConfig,
  type Architecture,
  type Config,
  type Encoded,
  type Tensors,
} from '@brickwork/transformer';
import { checkHeads } from '../config.ts';
import { cutPatches, gridOf, PatchProjection, type Size } from '../patch-projection.ts';
import { sineCosine } from '../sine-cosine.ts';
import {
  checkImages,
  imageInput,
  prepend,
  readViTConfig,
  throughViT,
  vitLayers,
  type ViTConfig,
  type ViTLayer,
} from './vit.ts';

/** The fields of config.json that change the computation, with Hugging Face's defaults. */
export interface ViTMAEConfig extends ViTConfig {
  readonly decoder_num_attention_heads: number;
  readonly decoder_hidden_size: number;
  readonly decoder_num_hidden_layers: number;
  readonly decoder_intermediate_size: number;
  /** The part of the patches that the encoder doesn't see. */
  readonly mask_ratio: number;
  /** Whether each patch is painted with mean 0 and variance 1. */
  readonly norm_pix_loss: boolean;
}

function readViTMAEConfig(config: Config): ViTMAEConfig {
  const c = readConfig('vit_mae', config, {
    decoder_num_attention_heads: 16,
    decoder_hidden_size: 512,
    decoder_num_hidden_layers: 8,
    decoder_intermediate_size: 2048,
    mask_ratio: 0.75,
    norm_pix_loss: false,
  });
  const v = readViTConfig('vit_mae', config);
  checkHeads('vit_mae', c.decoder_hidden_size, c.decoder_num_attention_heads);
  if (!(c.mask_ratio < 1)) throw new Error(`vit_mae config: mask_ratio is ${c.mask_ratio}; needs less than 1`);
  for (const [field, [h, w]] of Object.entries({ image_size: v.image_size, patch_size: v.patch_size }))
    if (h !== w) throw new Error(`vit_mae config: ${field} is ${h} by ${w}; needs a square, as Hugging Face's does`);
  return { ...v, ...c };
}

// The order of (B, N) numbers, smallest first.
const order = (x: Tensor): Tensor => topk(neg(x), x.shape[1] as number, 1)[1];
// Rows of (B, N, C) by the index (B, K) of each image: (B, K, C). `like` has the result's shape.
const takeRows = (x: Tensor, index: Tensor, like: Tensor): Tensor =>
  gatherElements(x, expandLike(unsqueeze(index, 2), like), 1);

/** What the encoder made of the patches that it saw, and which these were. */
interface Masked extends Encoded {
  /** (B, N): 1 where a patch was hidden. */
  readonly mask: Tensor;
  /** (B, N) int64: where each patch of the image stands among the shuffled. */
  readonly restore: Tensor;
}

class Embeddings {
  readonly cls_token: Parameter;
  readonly position_embeddings: Parameter;
  readonly patch_embeddings: { readonly projection: PatchProjection };
  readonly #kept: number;
  constructor(c: ViTMAEConfig) {
    const [weight, C] = [normal(c.initializer_range), c.hidden_size];
    const N = patchesOf(c);
    this.#kept = Math.trunc(N * (1 - c.mask_ratio));
    if (this.#kept < 1)
      throw new Error(`vit_mae config: mask_ratio ${c.mask_ratio} hides all of ${N} patches; needs to leave one`);
    this.cls_token = parameter([1, 1, C], weight);
    this.position_embeddings = buffer([1, N + 1, C], sineCosine);
    this.patch_embeddings = { projection: new PatchProjection(c.num_channels, C, c.patch_size) };
  }
  /** The patches with the smallest noise are kept. */
  forward(pixels: Tensor, noise: Tensor): { x: Tensor; mask: Tensor; restore: Tensor } {
    const positions = this.position_embeddings;
    const x = this.patch_embeddings.projection.forward(pixels).add(slice(positions, 1, 1)); // (B, N, C)
    const shuffled = order(noise); // (B, N)
    const restore = order(cast(shuffled, 'float32')); // (B, N)
    const seen = takeRows(x, slice(shuffled, 1, 0, this.#kept), slice(x, 1, 0, this.#kept)); // (B, K, C)
    const mask = where(less(cast(restore, 'float32'), this.#kept), 0, 1); // (B, N)
    return { x: prepend(this.cls_token.add(slice(positions, 1, 0, 1)), seen), mask, restore };
  }
}

const patchesOf = (c: { readonly image_size: Size; readonly patch_size: Size }): number => {
  const [rows, columns] = gridOf(c.image_size, c.patch_size);
  return rows * columns;
};

/** The encoder: a ViT of the patches that are not hidden. */
export class ViTMAEModel implements Network {
  readonly config: ViTMAEConfig;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly embeddings: Embeddings;
  readonly encoder: { readonly layer: readonly ViTLayer[] };
  readonly layernorm: LayerNorm;
  constructor(config: Config) {
    const c = readViTMAEConfig(config);
    this.config = c;
    // As many numbers as there are patches; random ones hide random patches.
    this.inputs = { pixel_values: imageInput(c), noise: { dtype: 'float32', shape: ['B', patchesOf(c)] } };
    this.embeddings = new Embeddings(c);
    this.encoder = { layer: vitLayers(c) };
    this.layernorm = new LayerNorm(c.hidden_size, { epsilon: c.layer_norm_eps });
  }
  encode({ pixel_values, noise }: Tensors, ctx: Context): Masked {
    const pixels = checkImages('vit_mae', pixel_values, this.config.image_size);
    const N = patchesOf(this.config);
    if (noise?.rank !== 2 || noise.shape[1] !== N)
      throw new Error(
        `vit_mae: noise ${noise ? `(${noise.shape.join(', ')})` : 'missing'}; needs (B, ${N}), a number for each patch`,
      );
    const { x, mask, restore } = this.embeddings.forward(pixels, noise);
    return { ...throughViT(x, ctx, { layers: this.encoder.layer, end: this.layernorm }), mask, restore };
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    return maskedOutputs(this.encode(inputs, ctx));
  }
}

const maskedOutputs = (masked: Masked): Outputs => ({
  mask: () => masked.mask,
  ids_restore: () => masked.restore,
  ...encoderOutputs(masked),
});

class Decoder {
  readonly mask_token: Parameter;
  readonly decoder_pos_embed: Parameter;
  readonly decoder_embed: Linear;
  readonly decoder_layers: readonly ViTLayer[];
  readonly decoder_norm: LayerNorm;
  readonly decoder_pred: Linear;
  constructor(c: ViTMAEConfig) {
    const [C, weight] = [c.decoder_hidden_size, normal(c.initializer_range)];
    const [h, w] = c.patch_size;
    this.mask_token = parameter([1, 1, C], weight);
    this.decoder_pos_embed = buffer([1, patchesOf(c) + 1, C], sineCosine);
    this.decoder_embed = new Linear(c.hidden_size, C, { weight });
    this.decoder_layers = vitLayers({
      ...c,
      hidden_size: C,
      num_hidden_layers: c.decoder_num_hidden_layers,
      num_attention_heads: c.decoder_num_attention_heads,
      intermediate_size: c.decoder_intermediate_size,
    });
    this.decoder_norm = new LayerNorm(C, { epsilon: c.layer_norm_eps });
    this.decoder_pred = new Linear(C, h * w * c.num_channels, { weight });
  }
  /** The pixels of every patch: (B, N, h w channels). */
  forward({ last, restore }: Masked, ctx: Context): Tensor {
    const [N, C] = [restore.shape[1] as number, this.mask_token.shape[2] as number];
    const x = this.decoder_embed.forward(last, ctx); // (B, 1 + K, C)
    const first = slice(x, 1, 0, 1);
    const hidden = N + 1 - (x.shape[1] as number);
    // Shuffled as the patches were: those that were seen, then a mask for each of the others.
    const masks = Array<Tensor>(hidden).fill(expandLike(this.mask_token, first));
    const all = concat([slice(x, 1, 1), ...masks], 1).reshape([x.shape[0]!, N, C]); // (B, N, C)
    const inPlace = concat([first, takeRows(all, restore, all)], 1).add(this.decoder_pos_embed); // (B, 1 + N, C)
    const painted = throughViT(inPlace, ctx, { layers: this.decoder_layers, end: this.decoder_norm }).last;
    return slice(this.decoder_pred.forward(painted, ctx), 1, 1); // (B, N, h w channels)
  }
}

/** The masked autoencoder as it is trained: the mean squared error of the pixels of hidden patches. */
export class ViTMAEForPreTraining implements Network {
  readonly config: ViTMAEConfig;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly vit: ViTMAEModel;
  readonly decoder: Decoder;
  constructor(config: Config) {
    this.vit = new ViTMAEModel(config);
    this.config = this.vit.config;
    this.inputs = this.vit.inputs;
    this.decoder = new Decoder(this.config);
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    const masked = this.vit.encode(inputs, ctx);
    const logits = once(() => this.decoder.forward(masked, ctx));
    return { logits, loss: () => this.#loss(inputs['pixel_values']!, logits(), masked.mask), ...maskedOutputs(masked) };
  }
  #loss(pixels: Tensor, painted: Tensor, mask: Tensor): Tensor {
    const patches = permute(cutPatches(pixels, this.config.patch_size), [0, 1, 2, 4, 5, 3]); // (B, rows, columns, h, w, C)
    const P = painted.shape[2] as number;
    let wanted = patches.reshape([pixels.shape[0]!, painted.shape[1]!, P]); // (B, N, P)
    if (this.config.norm_pix_loss) {
      const centred = sub(wanted, mean(wanted, [2], true));
      const variance = mul(sum(mul(centred, centred), [2], true), 1 / (P - 1));
      wanted = div(centred, sqrt(variance.add(1e-6)));
    }
    const error = sub(painted, wanted);
    return div(sum(mul(mean(mul(error, error), [2]), mask)), sum(mask));
  }
}

/** Checkpoints of masked autoencoders. */
export const vitMae: Architecture = {
  classes: {
    ViTMAEForPreTraining: (config) => new ViTMAEForPreTraining(config),
    ViTMAEModel: (config) => new ViTMAEModel(config),
  },
  prefix: 'vit.',
};
