// Transforms as plain data, `{ type: 'flip' }`: they are written into settings, and sent to the threads that apply them.
import type { Random } from '@brickwork/nn';
import type { Pixels } from '../images/pixels.ts';
import { affine, type AffineTransform } from './affine.ts';
import { blur, type BlurTransform } from './blur.ts';
import { colorJitter, type ColorJitterTransform } from './color-jitter.ts';
import { centerCrop, randomCrop, type CenterCropTransform, type RandomCropTransform } from './crop.ts';
import { cutout, type CutoutTransform } from './cutout.ts';
import { flip, type FlipTransform } from './flip.ts';
import { grayscale, type GrayscaleTransform } from './grayscale.ts';
import { lighting, type LightingTransform } from './lighting.ts';
import { randomResizedCrop, type RandomResizedCropTransform } from './random-resized-crop.ts';
import { resizeTo, type ResizeTransform } from './resize-to.ts';

/** What happens to an image before the network sees it; all sizes in pixels. */
export type Transform =
  | AffineTransform
  | BlurTransform
  | CenterCropTransform
  | ColorJitterTransform
  | CutoutTransform
  | FlipTransform
  | GrayscaleTransform
  | LightingTransform
  | RandomCropTransform
  | RandomResizedCropTransform
  | ResizeTransform;

/** One kind of transform. */
export interface TransformKind<T> {
  /** The fields that it has, besides `type`. */
  readonly fields: readonly string[];
  /** Says what is wrong with a field; null where nothing is. */
  readonly problem: (t: T) => string | null;
  /** Applies it, with whatever is random drawn from `draw`. */
  readonly apply: (image: Pixels, t: T, draw: Random) => Pixels | Promise<Pixels>;
}

const kinds = {
  affine,
  blur,
  centerCrop,
  colorJitter,
  cutout,
  flip,
  grayscale,
  lighting,
  randomCrop,
  randomResizedCrop,
  resize: resizeTo,
} as unknown as Readonly<Record<string, TransformKind<Transform>>>;

/** @throws where a transform isn't known, has a field that it doesn't know, or one that makes no sense. */
export function checkTransforms(transforms: readonly Transform[]): void {
  for (const t of transforms) {
    const kind = typeof t === 'object' && t !== null && Object.hasOwn(kinds, t.type) ? kinds[t.type]! : null;
    if (!kind)
      throw new Error(`transforms: there is no ${JSON.stringify(t)}; there are ${Object.keys(kinds).join(', ')}`);
    for (const field of Object.keys(t))
      if (field !== 'type' && !kind.fields.includes(field))
        throw new Error(`transforms: ${t.type} has no ${field}; it has ${kind.fields.join(', ') || 'no fields'}`);
    const why = kind.problem(t);
    if (why) throw new Error(`transforms: ${t.type}: ${why}`);
  }
}

/** Applies transforms one after the other. They have to be in order, see {@link checkTransforms}. */
export async function applyTransforms(image: Pixels, transforms: readonly Transform[], draw: Random): Promise<Pixels> {
  let now = image;
  // A promise only where there is one: most of the time is in small images.
  for (const t of transforms) {
    const next = kinds[t.type]!.apply(now, t, draw);
    now = next instanceof Promise ? await next : next;
  }
  return now;
}
