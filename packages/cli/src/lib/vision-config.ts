// Networks by the names of flags, as config.json describes them.
import { readFileSync } from 'node:fs';
import type { Config } from '@brickwork/transformer';
import { usage } from './errors.ts';

/** The names that --arch takes. */
export const imageNetworks = [
  'lenet',
  'conv_net',
  'alexnet',
  'vgg',
  'cifar_resnet',
  'resnet',
  'torchvision_resnet',
  'vit',
] as const;

/** What is known of the network. */
export interface ImageNetworkArgs {
  readonly arch: (typeof imageNetworks)[number];
  readonly depth?: number;
  readonly config?: string;
}

/** Sides and channels of the pictures. */
export interface ImageShape {
  readonly size: number;
  readonly channels: 1 | 3;
}

/** The pixels that a network is made for, where it is made for some only. */
export const fixedShapes: Readonly<Record<string, ImageShape>> = {
  lenet: { size: 28, channels: 1 },
  alexnet: { size: 224, channels: 3 },
  vgg: { size: 224, channels: 3 },
  cifar_resnet: { size: 32, channels: 3 },
};

/** A transformer of patches, small enough for one machine: as ViT-Tiny, with half its layers. */
export function smallViT({ size, channels }: ImageShape): Config {
  const patch = size <= 64 ? 4 : 16;
  if (size % patch) throw usage(`--size ${size} isn’t a multiple of ${patch}, the side of a patch`);
  return {
    ...{ hidden_size: 192, num_hidden_layers: 6, num_attention_heads: 3, intermediate_size: 768 },
    ...{ image_size: size, patch_size: patch, num_channels: channels },
  };
}

/** @throws where the network has no such depth, or isn't made for such pictures. */
export function networkConfig(a: ImageNetworkArgs, shape: ImageShape): Config {
  if (a.config !== undefined) return readConfig(a.config);
  const { arch, depth } = a;
  const { size, channels } = shape;
  const fixed = fixedShapes[arch];
  if (fixed && (fixed.size !== size || fixed.channels !== channels))
    throw usage(
      `--arch ${arch} takes pictures of ${fixed.size} by ${fixed.size} with ${fixed.channels} channels, not ${size} with ${channels}`,
      'leave out --size and --grey, or another --arch',
    );
  const withDepth = depth === undefined ? {} : { depth };
  if (depth !== undefined && !['vgg', 'cifar_resnet', 'resnet', 'torchvision_resnet'].includes(arch))
    throw usage(`--depth is for vgg and the resnets, not for ${arch}`);
  switch (arch) {
    case 'conv_net':
      return { model_type: arch, image_size: size, num_channels: channels, channels: [32, 64, 128] };
    case 'resnet': {
      const blocks: Readonly<Record<number, readonly number[]>> = {
        18: [2, 2, 2, 2],
        34: [3, 4, 6, 3],
        50: [3, 4, 6, 3],
      };
      const depths = blocks[depth ?? 18];
      if (!depths) throw usage(`--depth is ${depth}; resnet has 18, 34 and 50`);
      const isBasic = (depth ?? 18) < 50;
      return {
        ...{ model_type: arch, num_channels: channels, depths, layer_type: isBasic ? 'basic' : 'bottleneck' },
        hidden_sizes: isBasic ? [64, 128, 256, 512] : [256, 512, 1024, 2048],
      };
    }
    case 'vit':
      return { model_type: arch, ...smallViT(shape) };
    case 'torchvision_resnet':
      if (channels !== 3)
        throw usage('--arch torchvision_resnet takes pictures in colour', 'leave out --grey, or --arch resnet');
      return { model_type: arch, depth: depth ?? 18 };
    default:
      return { model_type: arch, ...withDepth };
  }
}

function readConfig(path: string): Config {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Config;
  } catch (error) {
    throw usage(`--config ${path}: ${(error as Error).message}`);
  }
}
