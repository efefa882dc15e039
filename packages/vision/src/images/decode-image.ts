// Pictures from files and bytes: JPEG, PNG, WebP, GIF, TIFF and AVIF, as people see them.
import { readFile } from 'node:fs/promises';
import type { Metadata } from 'sharp';
import { fileSize } from './file-size.ts';
import { pixels, type Pixels } from './pixels.ts';
import { sharp } from './sharp.ts';

/** How pictures are read. */
export interface DecodeImageOptions {
  /** 1 for grey, 3 (unless given) for red, green and blue. */
  readonly channels?: 1 | 3;
  /** What stands behind see-through parts, from 0 (black) to 255 (white); 255 unless given. */
  readonly background?: number;
  /** Pictures of more pixels are refused before they are decoded; 2^26 (67 million, 201 MB as bytes) unless given. */
  readonly maxPixels?: number;
  /** What errors call it; the file's path, or `the image`, unless given. */
  readonly name?: string;
}

/** What a picture's header says. */
export interface ImageInfo {
  /** `jpeg`, `png`, `webp`, `gif`, `tiff` or `heif` (AVIF). */
  readonly format: string;
  /** In pixels, turned as EXIF says. */
  readonly width: number;
  readonly height: number;
  /** Pictures in an animated one; 1 otherwise. */
  readonly frames: number;
}

// What libvips reads besides runs programs (PDF), other files (SVG) or is rare: not what a data set should be able to ask for.
const formats = ['jpeg', 'png', 'webp', 'gif', 'tiff', 'heif'] as const;
const mostBytes = 2 ** 28;
const mostPixels = 2 ** 26;

/** The endings of the files that {@link decodeImage} reads. */
export const imageEndings: readonly string[] = ['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif'];

/**
 * Reads the header alone.
 *
 * @throws where it is no picture.
 */
export async function imageInfo(
  source: string | Uint8Array,
  { name }: { readonly name?: string } = {},
): Promise<ImageInfo> {
  const who = name ?? nameOf(source);
  const bytes = await bytesOf(source, who);
  const { width, height, orientation = 1, pages = 1 } = await header(bytes, who);
  const [w, h] = orientation >= 5 ? [height, width] : [width, height];
  return { format: formatOf(bytes)!, width: w, height: h, frames: pages };
}

/**
 * Reads a picture: the first of an animated one, turned as its EXIF says, see-through parts before the background, 16 bits
 * and other colour spaces as 8-bit sRGB or grey. Its size is known, and checked, before anything is decoded.
 *
 * @throws where there is no such file, it is no picture or a broken one, or it is larger than `maxPixels`.
 */
export async function decodeImage(source: string | Uint8Array, o: DecodeImageOptions = {}): Promise<Pixels> {
  const { channels = 3, background = 255, maxPixels = mostPixels, name = nameOf(source) } = o;
  const bytes = await bytesOf(source, name);
  const make = await sharp();
  try {
    // The header's size is checked against the limit before anything is decoded.
    let picture = make(bytes, { failOn: 'error', limitInputPixels: maxPixels, pages: 1, sequentialRead: true })
      .autoOrient()
      .flatten({ background: { r: background, g: background, b: background } });
    picture = channels === 1 ? picture.greyscale().toColourspace('b-w') : picture.toColourspace('srgb');
    const { data, info } = await picture.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    const found = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return pixels(info.width, info.height, channels, fitChannels(found, info.channels, channels));
  } catch (error) {
    if (/pixel limit/i.test((error as Error).message)) {
      const { width, height } = await header(bytes, name);
      throw new Error(
        `${name}: ${width} by ${height} pixels are more than ${maxPixels}; make it smaller, or raise maxPixels`,
        { cause: error },
      );
    }
    throw broken(name, error);
  }
}

// How the kinds of pictures that are read begin. A library that guesses for itself would also run what calls itself a drawing.
function formatOf(bytes: Uint8Array): string | null {
  const text = (from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return 'jpeg';
  if (text(0, 8) === '\x89PNG\r\n\x1a\n') return 'png';
  if (/^GIF8[79]a$/.test(text(0, 6))) return 'gif';
  if (text(0, 4) === 'RIFF' && text(8, 12) === 'WEBP') return 'webp';
  if (['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].includes(text(0, 4))) return 'tiff';
  if (text(4, 8) === 'ftyp') return 'heif';
  return null;
}

// The file's or the caller's bytes, which begin as a picture does.
async function bytesOf(source: string | Uint8Array, name: string): Promise<Uint8Array> {
  const size = typeof source === 'string' ? await fileSize(source, 'a picture', name) : source.byteLength;
  if (!size) throw new Error(`${name}: it is empty; needs a picture`);
  if (size > mostBytes)
    throw new Error(`${name}: ${size} bytes are more than ${mostBytes}, the most that a picture may have`);
  const bytes = typeof source === 'string' ? await readFile(source) : source;
  if (!formatOf(bytes))
    throw new Error(`${name}: it is no picture, or of a kind that isn't read here (${formats.join(', ')})`);
  return bytes;
}

async function header(
  bytes: Uint8Array,
  name: string,
): Promise<Metadata & { readonly width: number; readonly height: number }> {
  const make = await sharp();
  try {
    const found = await make(bytes, { limitInputPixels: false, pages: 1 }).metadata();
    if (!found.width || !found.height)
      throw new Error(`${found.width} by ${found.height} pixels; needs a picture with an area`);
    return found;
  } catch (error) {
    throw broken(name, error);
  }
}

const nameOf = (source: string | Uint8Array): string => (typeof source === 'string' ? source : 'the image');

const broken = (name: string, error: unknown): Error =>
  new Error(`${name}: the picture is broken: ${(error as Error).message.split('\n')[0]!}`, { cause: error });

// A grey picture may come with three equal channels, and a coloured one with one.
function fitChannels(data: Uint8Array, from: number, to: 1 | 3): Uint8Array {
  if (from === to) return data;
  const places = data.length / from;
  const out = new Uint8Array(places * to);
  for (let i = 0; i < places; i++)
    for (let c = 0; c < to; c++) out[i * to + c] = data[i * from + Math.min(c, from - 1)]!;
  return out;
}
