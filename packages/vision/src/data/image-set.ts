// Images to learn from, with their classes: files that are read when they are needed, or values that lie in memory.
import { basename } from 'node:path';

/** Where the images of a set are. */
export type ImageItems =
  | { readonly kind: 'files'; readonly paths: readonly string[] }
  /** One after the other, rows of interleaved 8-bit values, in memory that threads share. */
  | {
      readonly kind: 'packed';
      readonly data: Uint8Array<SharedArrayBuffer>;
      readonly width: number;
      readonly height: number;
      readonly channels: 1 | 3;
    };

/** A set of images. */
export interface ImageSet {
  /** Where it is from: stands in errors and in a run's settings. */
  readonly name: string;
  readonly count: number;
  readonly items: ImageItems;
  /** The class of each image; null where there are none. */
  readonly labels: Int32Array | null;
  /** Names of the classes, by their numbers. */
  readonly classes: readonly string[];
}

/** A name for an image of a set where there is little room: its file's, or its number. */
export const shortItemName = (set: ImageSet, i: number): string =>
  set.items.kind === 'files' ? basename(set.items.paths[i]!) : `image ${i}`;

/** What errors call an image of a set. */
export const itemName = (set: ImageSet, i: number): string =>
  set.items.kind === 'files' ? set.items.paths[i]! : `image ${i} of ${set.name}`;

/**
 * Some images of a set, in the order of the indices.
 *
 * @throws where there is no such image.
 */
export function takeImages(set: ImageSet, indices: readonly number[] | Int32Array, name: string = set.name): ImageSet {
  for (const i of indices)
    if (!(Number.isInteger(i) && i >= 0 && i < set.count))
      throw new Error(`${set.name}: there is no image ${i}; there are ${set.count}`);
  const { items } = set;
  const all = Array.from(indices);
  return {
    ...set,
    name,
    count: all.length,
    labels: set.labels && Int32Array.from(all, (i) => set.labels![i]!),
    items:
      items.kind === 'files'
        ? { kind: 'files', paths: all.map((i) => items.paths[i]!) }
        : { ...items, data: takePacked(items, all) },
  };
}

function takePacked(
  { data, width, height, channels }: Extract<ImageItems, { kind: 'packed' }>,
  indices: readonly number[],
): Uint8Array<SharedArrayBuffer> {
  const size = width * height * channels;
  const out = new Uint8Array(new SharedArrayBuffer(size * indices.length));
  indices.forEach((from, to) => out.set(data.subarray(from * size, (from + 1) * size), to * size));
  return out;
}

/** A part of each class held out at random: so large a share of it, at least one where it has two. */
export function splitImages(
  set: ImageSet,
  { share, order }: { readonly share: number; readonly order: (i: number) => number },
): { readonly train: ImageSet; readonly validation: ImageSet } {
  if (!(share > 0 && share < 1)) throw new Error(`splitImages: share is ${share}; needs a number between 0 and 1`);
  const groups = new Map<number, number[]>();
  for (let i = 0; i < set.count; i++) {
    const at = order(i);
    const label = set.labels ? set.labels[at]! : 0;
    const group = groups.get(label);
    if (group) group.push(at);
    else groups.set(label, [at]);
  }
  const held = new Set<number>();
  for (const group of groups.values())
    for (const i of group.slice(0, group.length < 2 ? 0 : Math.max(1, Math.round(share * group.length)))) held.add(i);
  const ordered = Array.from({ length: set.count }, (_, i) => i);
  if (!held.size)
    throw new Error(`splitImages: ${set.name} has ${set.count} images, one in each class; none can be held out`);
  return {
    train: takeImages(
      set,
      ordered.filter((i) => !held.has(i)),
    ),
    validation: takeImages(
      set,
      ordered.filter((i) => held.has(i)),
    ),
  };
}
