// What a model's images went through before it saw them, as preprocessor_config.json says: Hugging Face's names, for ViT, CLIP,
// ResNet and their kin.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { random } from '@brickwork/nn';
import type { HostTensor } from '@brickwork/runtime';
import type { Config } from '@brickwork/transformer';
import { decodeImage } from './images/decode-image.ts';
import { imagesTensor, type Normalization } from './images/normalize.ts';
import { toColour, toGrey, type Pixels } from './images/pixels.ts';
import type { ResizeKernel } from './images/resize.ts';
import { applyTransforms, checkTransforms, type Transform } from './transforms/transform.ts';

// PIL's numbers.
const resamples: Readonly<Record<number, ResizeKernel>> = { 0: 'nearest', 1: 'lanczos', 2: 'bilinear', 3: 'bicubic' };

/** What an {@link ImageProcessor} is made of. */
export interface ImageProcessorParts {
  readonly transforms?: readonly Transform[];
  readonly normalization?: Normalization;
  /** 3 unless given. */
  readonly channels?: 1 | 3;
}

/** Brings images to what a network takes. */
export class ImageProcessor {
  readonly transforms: readonly Transform[];
  readonly normalization: Normalization;
  readonly channels: 1 | 3;

  constructor({ transforms = [], normalization = {}, channels = 3 }: ImageProcessorParts = {}) {
    checkTransforms(transforms);
    this.transforms = transforms;
    this.normalization = normalization;
    this.channels = channels;
  }

  /**
   * Reads preprocessor_config.json of a model's folder.
   *
   * @param channels what the network takes
   * @throws where there is none, or it asks for what isn't implemented.
   */
  static async fromFolder(folder: string, channels: 1 | 3 = 3): Promise<ImageProcessor> {
    const path = join(folder, 'preprocessor_config.json');
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new Error(
        error.code === 'ENOENT'
          ? `${path}: there is no such file, so how the model's images were made ready isn't known; add it, or give transforms and means`
          : `${path}: ${error.message}`,
        { cause: error },
      );
    });
    let config: unknown;
    try {
      config = JSON.parse(text);
    } catch (error) {
      throw new Error(`${path}: it is no JSON: ${(error as Error).message}`, { cause: error });
    }
    if (typeof config !== 'object' || config === null || Array.isArray(config))
      throw new Error(`${path}: it holds no object`);
    return ImageProcessor.fromConfig(config as Config, channels);
  }

  /** @throws where the config asks for what isn't implemented. */
  static fromConfig(config: Config, channels: 1 | 3 = 3): ImageProcessor {
    return new ImageProcessor({
      transforms: transformsOf(config),
      normalization: normalizationOf(config, channels),
      channels,
    });
  }

  /** As preprocessor_config.json holds it. @throws where it has transforms that the file has no names for. */
  toConfig(): Config {
    const { mean, std, meanImage } = this.normalization;
    if (meanImage) throw new Error('image processor: a mean image has no place in preprocessor_config.json');
    const [first, second, ...more] = this.transforms;
    const resize = first?.type === 'resize' ? first : null;
    const crop = [first, second].find((t) => t?.type === 'centerCrop');
    const known = Number(resize !== null) + Number(crop !== undefined);
    if (more.length || known !== this.transforms.length)
      throw new Error(
        `image processor: ${this.transforms.map(({ type }) => type).join(', ')} have no place in preprocessor_config.json; only resize and centerCrop do`,
      );
    const both = (size: number | readonly [number, number]): Config =>
      typeof size === 'number' ? { height: size, width: size } : { height: size[0], width: size[1] };
    return {
      image_processor_type: 'CLIPImageProcessor',
      do_convert_rgb: this.channels === 3,
      do_resize: resize !== null,
      ...(resize && {
        size: typeof resize.size === 'number' ? { shortest_edge: resize.size } : both(resize.size),
        resample: Number(Object.entries(resamples).find(([, name]) => name === (resize.kernel ?? 'bilinear'))![0]),
      }),
      do_center_crop: crop !== undefined,
      ...(crop && { crop_size: both(crop.size) }),
      do_rescale: true,
      rescale_factor: 1 / 255,
      do_normalize: mean !== undefined || std !== undefined,
      ...((mean || std) && {
        image_mean: mean ?? Array.from({ length: this.channels }, () => 0),
        image_std: std ?? Array.from({ length: this.channels }, () => 1),
      }),
    };
  }

  /** An image as the network sees it, but not yet normalised. */
  async prepare(source: Pixels | string | Uint8Array): Promise<Pixels> {
    const { channels } = this;
    const image =
      typeof source === 'string' || source instanceof Uint8Array
        ? await decodeImage(source, { channels })
        : channels === 3
          ? toColour(source)
          : toGrey(source);
    return applyTransforms(image, this.transforms, random(0));
  }

  /**
   * Pictures from files, bytes or pixels as `pixel_values` (B, C, H, W).
   *
   * @throws where one is broken, or they differ in size afterwards.
   */
  async process(sources: readonly (Pixels | string | Uint8Array)[]): Promise<HostTensor> {
    const images: Pixels[] = [];
    for (const source of sources) images.push(await this.prepare(source));
    return imagesTensor(images, this.normalization);
  }
}

interface Sized {
  readonly height?: number;
  readonly width?: number;
  readonly shortest_edge?: number;
  readonly longest_edge?: number;
}

function transformsOf(config: Config): Transform[] {
  const kind = String(config['image_processor_type'] ?? config['feature_extractor_type'] ?? '');
  const { do_resize, do_center_crop, do_pad, resample = 2 } = config;
  if (do_pad === true)
    throw new Error('preprocessor_config.json: do_pad is true, which isn’t implemented'.replace('’', "'"));
  const kernel = resamples[resample as number];
  if (!kernel)
    throw new Error(
      `preprocessor_config.json: resample is ${JSON.stringify(resample)}; known are ${Object.entries(resamples)
        .map(([n, name]) => `${n} (${name})`)
        .join(', ')}`,
    );
  const transforms: Transform[] = [];
  const size = sizeOf(config['size']);
  if (/ConvNe?xt/i.test(kind) && (do_resize ?? true)) {
    // A part of what is below 384: enlarged first, then the middle.
    const edge = size?.shortest_edge ?? size?.height ?? 224;
    const part = (config['crop_pct'] as number | undefined) ?? 224 / 256;
    if (edge >= 384) return [{ type: 'resize', size: [edge, edge], kernel }];
    return [
      { type: 'resize', size: Math.floor(edge / part), kernel },
      { type: 'centerCrop', size: edge },
    ];
  }
  if (do_resize ?? size !== null) {
    if (!size) throw new Error('preprocessor_config.json: do_resize is true, but there is no size');
    // A number alone is the shorter side where the middle is cropped afterwards, and both sides otherwise.
    if (size.shortest_edge !== undefined && size.longest_edge === undefined)
      transforms.push({
        type: 'resize',
        size: size.bare && do_center_crop !== true ? [size.shortest_edge, size.shortest_edge] : size.shortest_edge,
        kernel,
      });
    else if (size.height !== undefined && size.width !== undefined)
      transforms.push({ type: 'resize', size: [size.height, size.width], kernel });
    else
      throw new Error(
        `preprocessor_config.json: size is ${JSON.stringify(config['size'])}; needs height and width, or shortest_edge`,
      );
  }
  if (do_center_crop === true) {
    const crop = sizeOf(config['crop_size']) ?? size;
    const height = crop?.height ?? crop?.shortest_edge;
    if (height === undefined)
      throw new Error('preprocessor_config.json: do_center_crop is true, but there is no crop_size');
    transforms.push({ type: 'centerCrop', size: [height, crop?.width ?? height] });
  }
  return transforms;
}

// Sizes are objects; older files have a number.
function sizeOf(value: unknown): (Sized & { readonly bare?: boolean }) | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number') return { shortest_edge: value, bare: true };
  if (typeof value === 'object' && !Array.isArray(value)) return value as Sized;
  throw new Error(`preprocessor_config.json: ${JSON.stringify(value)} is no size`);
}

// What comes out is (x · factor - mean) / std of bytes x; ours divides bytes by 255 first.
function normalizationOf(config: Config, channels: 1 | 3): Normalization {
  const factor = (config['do_rescale'] ?? true) === false ? 1 : Number(config['rescale_factor'] ?? 1 / 255);
  if (!(factor > 0)) throw new Error(`preprocessor_config.json: rescale_factor is ${factor}; needs a number above 0`);
  const scale = 255 * factor;
  const isNear = Math.abs(scale - 1) < 1e-9;
  const isNormalized = config['do_normalize'] ?? config['image_mean'] !== undefined;
  if (isNormalized === false) return isNear ? {} : { std: Array.from({ length: channels }, () => 1 / scale) };
  const numbers = (name: string): number[] => {
    const value = config[name];
    const list = typeof value === 'number' ? Array.from({ length: channels }, () => value) : value;
    if (!Array.isArray(list) || !list.every(Number.isFinite))
      throw new Error(`preprocessor_config.json: ${name} is ${JSON.stringify(value)}; needs numbers`);
    if (list.length !== channels)
      throw new Error(`preprocessor_config.json: ${name} has ${list.length} numbers for ${channels} channels`);
    return isNear ? (list as number[]) : (list as number[]).map((v) => v / scale);
  };
  return { mean: numbers('image_mean'), std: numbers('image_std') };
}
