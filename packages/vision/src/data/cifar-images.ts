// CIFAR's binary files (Krizhevsky, 2009): for each image its label, or two for CIFAR-100, and planes of 32 by 32 red, green
// and blue values.
import type { ImageSet } from './image-set.ts';
import { readBytes, shared } from './read-packed.ts';

const side = 32;
const size = side * side;

/** CIFAR-10's classes. */
export const cifar10Classes: readonly string[] = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
];

/** Which labels, and what they are called. */
export interface CifarOptions {
  /** Labels before each image: 1 (unless given) for CIFAR-10, 2 for CIFAR-100, coarse and fine. */
  readonly labels?: 1 | 2;
  /** Which of two labels counts; `fine` unless given. */
  readonly level?: 'coarse' | 'fine';
  /** CIFAR-10's, or numbers for CIFAR-100, unless given. */
  readonly classes?: readonly string[];
}

/**
 * Reads binary files, also as .gz, one after another as one set.
 *
 * @throws where a file is missing or cut short, or there are other classes than named.
 */
export async function cifarImages(files: readonly string[], o: CifarOptions = {}): Promise<ImageSet> {
  const { labels: before = 1, level = 'fine' } = o;
  const names =
    o.classes ??
    (before === 1 ? cifar10Classes : Array.from({ length: level === 'fine' ? 100 : 20 }, (_, i) => `${i}`));
  if (!files.length) throw new Error('cifarImages: no files given; name one or more');
  const record = before + 3 * size;
  const parts: Uint8Array[] = [];
  for (const file of files) {
    const bytes = await readBytes(file);
    if (!bytes.length || bytes.length % record)
      throw new Error(
        `${file}: ${bytes.length} bytes are no whole number of images of ${record}: it was cut short, or isn't CIFAR's binary form`,
      );
    parts.push(bytes);
  }
  const count = parts.reduce((n, { length }) => n + length / record, 0);
  const data = shared(count * 3 * size);
  const labels = new Int32Array(count);
  let image = 0;
  parts.forEach((bytes, file) => {
    for (let at = 0; at < bytes.length; at += record, image++) {
      const label = bytes[at + (before === 2 && level === 'fine' ? 1 : 0)]!;
      if (label >= names.length)
        throw new Error(
          `${files[file]}: image ${at / record} has the label ${label}, but there are only ${names.length} classes`,
        );
      labels[image] = label;
      for (let c = 0; c < 3; c++)
        for (let i = 0; i < size; i++) data[(image * size + i) * 3 + c] = bytes[at + before + c * size + i]!;
    }
  });
  const items = { kind: 'packed', data, width: side, height: side, channels: 3 } as const;
  return { name: files.join(', '), count, items, labels, classes: names };
}
