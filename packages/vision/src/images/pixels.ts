// An image as people see it: rows of 8-bit values, red, green and blue side by side.

/** Rows from top to bottom, the channels of a pixel next to each other: `data[(y * width + x) * channels + c]`. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** 1 for grey, 3 for red, green, blue. */
  readonly channels: 1 | 3;
  readonly data: Uint8Array;
}

/** A part of an image, from its left and upper edge. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/**
 * An image over the given values, which are not copied; zeros (black) unless given.
 *
 * @throws where a side is no whole number above 0, or the values don't fill the image.
 */
export function pixels(width: number, height: number, channels: 1 | 3, data?: Uint8Array): Pixels {
  for (const [name, side] of Object.entries({ width, height }))
    if (!(Number.isSafeInteger(side) && side > 0))
      throw new Error(`pixels: the ${name} is ${side}; needs a whole number above 0`);
  if (channels !== 1 && channels !== 3)
    throw new Error(`pixels: ${String(channels)} channels; needs 1 (grey) or 3 (red, green, blue)`);
  const size = width * height * channels;
  if (data && data.length !== size)
    throw new Error(`pixels: ${data.length} values for ${width} by ${height} with ${channels} channels; needs ${size}`);
  return { width, height, channels, data: data ?? new Uint8Array(size) };
}

/** What lies within a region, which may reach beyond the image: there it is `fill`. */
export function crop(image: Pixels, { left, top, width, height }: Region, fill = 0): Pixels {
  const { channels: C, data } = image;
  const out = pixels(width, height, C);
  if (fill) out.data.fill(fill);
  const first = Math.max(0, left);
  const end = Math.min(image.width, left + width);
  if (end <= first) return out;
  for (let y = Math.max(0, top); y < Math.min(image.height, top + height); y++)
    out.data.set(
      data.subarray((y * image.width + first) * C, (y * image.width + end) * C),
      ((y - top) * width + first - left) * C,
    );
  return out;
}

/** Left and right exchanged. */
export function mirror({ width, height, channels: C, data }: Pixels): Pixels {
  const out = pixels(width, height, C);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * C;
      const to = (y * width + width - 1 - x) * C;
      for (let c = 0; c < C; c++) out.data[to + c] = data[from + c]!;
    }
  return out;
}

/** The brightness of each pixel (ITU-R BT.601, as in PIL and torchvision); of a grey image itself. */
export function toGrey(image: Pixels): Pixels {
  if (image.channels === 1) return image;
  const out = pixels(image.width, image.height, 1);
  for (let i = 0; i < out.data.length; i++) out.data[i] = Math.round(luma(image.data, 3 * i));
  return out;
}

/** Brightness of the pixel whose red stands at `i`. */
export const luma = (data: Uint8Array, i: number): number =>
  0.299 * data[i]! + 0.587 * data[i + 1]! + 0.114 * data[i + 2]!;

/** A grey image with three equal channels; of a coloured one itself. */
export function toColour(image: Pixels): Pixels {
  if (image.channels === 3) return image;
  const out = pixels(image.width, image.height, 3);
  for (let i = 0; i < image.data.length; i++) out.data.fill(image.data[i]!, 3 * i, 3 * i + 3);
  return out;
}
