// Numbers as colours.
import type { HostTensor } from '@brickwork/runtime';
import { resize } from '../images/resize.ts';
import { pixels, toColour, type Pixels } from '../images/pixels.ts';

type Colour = readonly [red: number, green: number, blue: number];
// From black over red and yellow to white; and blue, white, red.
const heat: readonly Colour[] = [
  [0, 0, 0],
  [120, 28, 109],
  [229, 89, 52],
  [246, 215, 70],
  [255, 255, 240],
];
const signed: readonly Colour[] = [
  [33, 102, 172],
  [247, 247, 247],
  [178, 24, 43],
];

function colourAt(scale: readonly Colour[], share: number): Colour {
  const at = Math.max(0, Math.min(1, share)) * (scale.length - 1);
  const low = Math.min(scale.length - 2, Math.floor(at));
  return [0, 1, 2].map((c) =>
    Math.round(scale[low]![c]! + (at - low) * (scale[low + 1]![c]! - scale[low]![c]!)),
  ) as unknown as Colour;
}

/** How numbers become colours. */
export interface HeatOptions {
  /** `heat` from 0 (or the smallest) up; `signed` from blue by white at 0 to red. `heat` unless given. */
  readonly scale?: 'heat' | 'signed';
  /** What the strongest colour stands for; the largest absolute value unless given. */
  readonly most?: number;
}

/** A map (H, W) as a picture. */
export function heatPicture(
  values: ArrayLike<number>,
  width: number,
  { scale = 'heat', most }: HeatOptions = {},
): Pixels {
  const all = Array.from(values);
  const top = most ?? all.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
  const out = pixels(width, all.length / width, 3);
  all.forEach((v, i) => {
    const share = top ? v / top : 0;
    out.data.set(scale === 'signed' ? colourAt(signed, (share + 1) / 2) : colourAt(heat, share), 3 * i);
  });
  return out;
}

/** A map (H, W) laid over an image of the same size: the stronger, the less is seen of the image. */
export function overlay(
  image: Pixels,
  values: ArrayLike<number>,
  { strength = 0.6 }: { readonly strength?: number } = {},
): Pixels {
  const { width, height, data } = toColour(image);
  if (values.length !== width * height)
    throw new Error(`overlay: ${values.length} values for ${width} by ${height} pixels; needs one for each`);
  const map = heatPicture(values, width);
  const top = Array.from(values).reduce((a, v) => Math.max(a, Math.abs(v)), 0);
  const out = pixels(width, height, 3);
  for (let i = 0; i < out.data.length; i++) {
    const share = top ? strength * Math.max(0, values[Math.floor(i / 3)]! / top) : 0;
    out.data[i] = Math.round((1 - share) * data[i]! + share * map.data[i]!);
  }
  return out;
}

/** Gradients or reconstructions (C, H, W) as a picture: grey is 0, and the largest absolute value is black or white. */
export function signedPicture(values: ArrayLike<number>, [C, H, W]: readonly [number, number, number]): Pixels {
  const all = Array.from(values);
  const top = all.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
  const channels = C === 3 ? 3 : 1;
  const out = pixels(W, H, channels);
  for (let c = 0; c < channels; c++)
    for (let i = 0; i < H * W; i++)
      out.data[i * channels + c] = Math.round(127.5 + (top ? 127.5 * (all[c * H * W + i]! / top) : 0));
  return out;
}

/** Every pixel as a square of so many. */
export async function magnify(image: Pixels, times: number): Promise<Pixels> {
  return times === 1
    ? image
    : resize(image, { width: image.width * times, height: image.height * times }, { kernel: 'nearest' });
}

/**
 * A convolution's filters (outputs, inputs, h, w) as pictures, each by its own largest value; those of three inputs in colour,
 * of others the mean over inputs.
 */
export function filterPictures({ data, shape }: HostTensor): Pixels[] {
  if (shape.length !== 4)
    throw new Error(
      `filterPictures: (${shape.join(', ')}); needs a convolution's weight (outputs, inputs, height, width)`,
    );
  const [O, I, H, W] = shape as [number, number, number, number];
  return Array.from({ length: O }, (_, o) => {
    const own = Array.from({ length: I * H * W }, (__, i) => Number(data[o * I * H * W + i]));
    if (I === 3) return signedPicture(own, [3, H, W]);
    const mean = Array.from({ length: H * W }, (__, p) => {
      let sum = 0;
      for (let c = 0; c < I; c++) sum += own[c * H * W + p]!;
      return sum / I;
    });
    return signedPicture(mean, [1, H, W]);
  });
}
