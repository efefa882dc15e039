// IDX files, as MNIST and its kin come (LeCun et al., 1998): two bytes of zeros, the type, the number of axes, their sizes as
// big-endian 32-bit numbers, the values.
import type { ImageSet } from './image-set.ts';
import { readBytes, shared } from './read-packed.ts';

/** Which files, and what the classes are called. */
export interface IdxOptions {
  /** Images, such as train-images-idx3-ubyte or the same as .gz. */
  readonly images: string;
  /** Their classes, such as train-labels-idx1-ubyte; none unless given. */
  readonly labels?: string;
  /** 0 to 9, or as many as there are, unless given. */
  readonly classes?: readonly string[];
}

/**
 * Reads grey images (N, H, W) of 8 bits, and their classes.
 *
 * @throws where a file is missing or cut short, its counts don't add up, or there are other classes than named.
 */
export async function idxImages({ images, labels, classes }: IdxOptions): Promise<ImageSet> {
  const { sizes, values } = await readIdx(images);
  if (sizes.length !== 3)
    throw new Error(`${images}: it has ${sizes.length} axes; images need three: count, height, width`);
  const [count, height, width] = sizes as [number, number, number];
  if (!count || !height || !width) throw new Error(`${images}: it holds (${sizes.join(', ')}), which is no image`);
  const data = shared(values.length);
  data.set(values);
  const items = { kind: 'packed', data, width, height, channels: 1 } as const;
  if (labels === undefined) return { name: images, count, items, labels: null, classes: classes ?? [] };
  const found = await readIdx(labels);
  if (found.sizes.length !== 1) throw new Error(`${labels}: it has ${found.sizes.length} axes; labels need one`);
  if (found.values.length !== count)
    throw new Error(`${labels}: ${found.values.length} labels for the ${count} images of ${images}`);
  const most = found.values.reduce((a, b) => Math.max(a, b), 0);
  const names = classes ?? Array.from({ length: Math.max(10, most + 1) }, (_, i) => `${i}`);
  if (most >= names.length)
    throw new Error(`${labels}: there is a label ${most}, but there are only ${names.length} classes`);
  return { name: images, count, items, labels: Int32Array.from(found.values), classes: names };
}

async function readIdx(path: string): Promise<{ sizes: number[]; values: Uint8Array }> {
  const bytes = await readBytes(path);
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0)
    throw new Error(`${path}: it is no IDX file, which begins with two bytes of zeros`);
  if (bytes[2] !== 8) throw new Error(`${path}: its values are of type ${bytes[2]}; needs 8, unsigned bytes`);
  const axes = bytes[3]!;
  const begin = 4 + 4 * axes;
  if (bytes.length < begin) throw new Error(`${path}: it ends in its header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sizes = Array.from({ length: axes }, (_, i) => view.getUint32(4 + 4 * i));
  const needed = sizes.reduce((a, b) => a * b, 1);
  if (bytes.length - begin !== needed)
    throw new Error(
      `${path}: its header says (${sizes.join(', ')}), ${needed} values, but there are ${bytes.length - begin}: it was cut short, or isn't what it says`,
    );
  return { sizes, values: bytes.subarray(begin) };
}
