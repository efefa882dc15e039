// Images in another size. Smaller ones are means over what each pixel covers, as in PIL, and not samples of it.
import { pixels, type Pixels, type Region } from './pixels.ts';
import { sharp } from './sharp.ts';

/** By what curve pixels are weighed. */
export type ResizeKernel = 'nearest' | 'bilinear' | 'bicubic' | 'lanczos';

const kernels = { nearest: 'nearest', bilinear: 'linear', bicubic: 'cubic', lanczos: 'lanczos3' } as const;

/** How to resize. */
export interface ResizeOptions {
  /** `bilinear` unless given. */
  readonly kernel?: ResizeKernel;
  /** The part to take; all of it unless given. */
  readonly region?: Region;
}

/**
 * An image, or a region of it, in the given size; sides may be stretched differently.
 *
 * @throws where a side is no whole number above 0, or the region isn't within the image.
 */
export async function resize(
  image: Pixels,
  { width, height }: { readonly width: number; readonly height: number },
  { kernel = 'bilinear', region }: ResizeOptions = {},
): Promise<Pixels> {
  const { channels, data } = image;
  if (!Object.hasOwn(kernels, kernel))
    throw new Error(`resize: the kernel is ${JSON.stringify(kernel)}; known are ${Object.keys(kernels).join(', ')}`);
  for (const side of [width, height])
    if (!(Number.isSafeInteger(side) && side > 0 && side <= 2 ** 15))
      throw new Error(`resize: to ${width} by ${height}; needs whole numbers from 1 to ${2 ** 15}`);
  const { left, top, width: w, height: h } = region ?? { left: 0, top: 0, width: image.width, height: image.height };
  if (!(left >= 0 && top >= 0 && w > 0 && h > 0 && left + w <= image.width && top + h <= image.height))
    throw new Error(
      `resize: the region of ${w} by ${h} at ${left}, ${top} isn't within ${image.width} by ${image.height} pixels`,
    );
  if (!region && width === image.width && height === image.height) return image;
  const make = await sharp();
  let picture = make(data, { raw: { width: image.width, height: image.height, channels } });
  if (region) picture = picture.extract({ left, top, width: w, height: h });
  const out = await picture
    .resize(width, height, { fit: 'fill', kernel: kernels[kernel] })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .raw()
    .toBuffer();
  return pixels(width, height, channels, new Uint8Array(out.buffer, out.byteOffset, out.byteLength));
}

/** The size whose shorter side is `edge`, the other in proportion (rounded down, as in torchvision). */
export function shortestEdge(
  { width, height }: { readonly width: number; readonly height: number },
  edge: number,
): { width: number; height: number } {
  const other = (long: number, short: number): number => Math.max(1, Math.floor((edge * long) / short));
  return width <= height
    ? { width: edge, height: other(height, width) }
    : { width: other(width, height), height: edge };
}
