// Pictures written to files: nothing is there but a whole one.
import { extname } from 'node:path';
import { writeFileAtomic } from '@brickwork/runtime';
import type { Pixels } from './pixels.ts';
import { sharp } from './sharp.ts';

/** Kinds of pictures that can be written. */
export type ImageFormat = 'png' | 'jpeg' | 'webp';

const byEnding: Readonly<Record<string, ImageFormat>> = {
  '.png': 'png',
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.webp': 'webp',
};

/** The bytes of a picture file; PNG unless told. PNG is exact, the others aren't. */
export async function encodeImage(
  { width, height, channels, data }: Pixels,
  format: ImageFormat = 'png',
): Promise<Uint8Array> {
  const make = await sharp();
  return make(data, { raw: { width, height, channels } })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .toFormat(format, format === 'png' ? {} : { quality: 95 })
    .toBuffer();
}

/**
 * Writes a picture, in the kind that the file's ending names: .png, .jpg or .webp.
 *
 * @throws where the ending is another.
 */
export async function writeImage(path: string, image: Pixels): Promise<void> {
  const format = byEnding[extname(path).toLowerCase()];
  if (!format) throw new Error(`${path}: the picture's kind is unknown; end it in ${Object.keys(byEnding).join(', ')}`);
  await writeFileAtomic(path, await encodeImage(image, format));
}
