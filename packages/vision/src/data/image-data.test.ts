// Sets of images from files, and batches of them made ready in threads.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Counted, NamedBatch } from '@brickwork/training';
import { afterAll, describe, expect, test } from 'vitest';
import { writeImage } from '../images/encode-image.ts';
import { pixels } from '../images/pixels.ts';
import { cifarImages } from './cifar-images.ts';
import { idxImages } from './idx-images.ts';
import { imageBatches, type ImageBatchesOptions } from './image-batches.ts';
import { filesSet, findImages, imageFolder, imageTable } from './image-files.ts';
import { splitImages, takeImages, type ImageSet } from './image-set.ts';
import { imageStatistics } from './image-statistics.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-image-data-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let files = 0;
const file = (content: string | Uint8Array, ending = ''): string => {
  const path = join(root, `file${files++}${ending}`);
  writeFileSync(path, content);
  return path;
};
const idx = (sizes: number[], values: number[], type = 8): Uint8Array => {
  const head = Buffer.alloc(4 + 4 * sizes.length);
  head.set([0, 0, type, sizes.length]);
  sizes.forEach((s, i) => head.writeUInt32BE(s, 4 + 4 * i));
  return Buffer.concat([head, Uint8Array.from(values)]);
};
const values = (n: number): number[] => Array.from({ length: n }, (_, i) => i % 256);

describe('IDX', () => {
  test('images and labels, packed or not', async () => {
    const images = file(gzipSync(idx([3, 2, 4], values(24))));
    const set = await idxImages({ images, labels: file(idx([3], [7, 0, 2])) });
    expect(set).toMatchObject({ count: 3, labels: Int32Array.of(7, 0, 2) });
    expect(set.items).toMatchObject({ kind: 'packed', width: 4, height: 2, channels: 1 });
    expect(set.classes).toHaveLength(10);
  });
  test('what isn’t right is named', async () => {
    const images = file(idx([3, 2, 4], values(24)));
    const bad = async (content: Uint8Array | string, expected: RegExp): Promise<void> =>
      expect(idxImages({ images: file(content) })).rejects.toThrow(expected);
    await bad('no idx', /it is no IDX file/);
    await bad(idx([3, 2, 4], values(20)), /says \(3, 2, 4\), 24 values, but there are 20/);
    await bad(idx([2 ** 31, 2 ** 31, 2 ** 31], []), /but there are 0/);
    await bad(idx([24], values(24)), /it has 1 axes; images need three/);
    await bad(idx([1, 1, 1], values(1), 13), /of type 13; needs 8/);
    await bad(idx([0, 2, 4], []), /which is no image/);
    await bad(gzipSync(idx([3, 2, 4], values(24))).subarray(0, 20), /it isn't whole, or no gzip file/);
    await expect(idxImages({ images: join(root, 'absent') })).rejects.toThrow('there is no such file');
    await expect(idxImages({ images, labels: file(idx([2], [0, 1])) })).rejects.toThrow('2 labels for the 3 images');
    const labels = file(idx([3], [0, 1, 2]));
    await expect(idxImages({ images, labels, classes: ['a', 'b'] })).rejects.toThrow('a label 2, but there are only 2');
  });
});

describe('CIFAR', () => {
  test('planes become pixels; of two labels either', async () => {
    const planes = [...Array<number>(1024).fill(1), ...Array<number>(1024).fill(2), ...Array<number>(1024).fill(3)];
    const one = await cifarImages([
      file(Uint8Array.from([6, ...planes])),
      file(gzipSync(Uint8Array.from([9, ...planes]))),
    ]);
    expect(one).toMatchObject({ count: 2, labels: Int32Array.of(6, 9) });
    expect(one.classes[6]).toBe('frog');
    expect(one.items.kind === 'packed' && [...one.items.data.slice(0, 6)]).toEqual([1, 2, 3, 1, 2, 3]);
    const hundred = file(Uint8Array.from([4, 72, ...planes]));
    expect((await cifarImages([hundred], { labels: 2 })).labels).toEqual(Int32Array.of(72));
    expect((await cifarImages([hundred], { labels: 2, level: 'coarse' })).labels).toEqual(Int32Array.of(4));
    await expect(cifarImages([hundred])).rejects.toThrow('no whole number of images of 3073');
    await expect(cifarImages([file(Uint8Array.from([10, ...planes]))])).rejects.toThrow('image 0 has the label 10');
    await expect(cifarImages([])).rejects.toThrow('no files given');
  });
});

const flat = (value: number, width = 4, height = 3): ReturnType<typeof pixels> => {
  const image = pixels(width, height, 3);
  image.data.fill(value);
  return image;
};
async function folderOf(name: string, classes: Record<string, number[]>): Promise<string> {
  for (const [label, all] of Object.entries(classes)) {
    mkdirSync(join(root, name, label), { recursive: true });
    for (const value of all) await writeImage(join(root, name, label, `${value}.png`), flat(value));
  }
  return join(root, name);
}

describe('folders and tables', () => {
  test('a folder for each class', async () => {
    const folder = await folderOf('pets', { dogs: [10, 20], cats: [30] });
    writeFileSync(join(folder, 'dogs', 'notes.txt'), 'not a picture');
    const set = await imageFolder(folder);
    expect(set).toMatchObject({ count: 3, classes: ['cats', 'dogs'], labels: Int32Array.of(0, 1, 1) });
    expect((await imageFolder(folder, { classes: ['dogs', 'cats'] })).labels).toEqual(Int32Array.of(1, 0, 0));
    await expect(imageFolder(folder, { classes: ['dogs'] })).rejects.toThrow('its class cats is not among dogs');
    await expect(imageFolder(join(folder, 'dogs'))).rejects.toThrow('its 2 pictures stand in no folder of a class');
    await expect(imageFolder(join(root, 'absent'))).rejects.toThrow('there is no such folder');
    mkdirSync(join(root, 'nothing'));
    await expect(imageFolder(join(root, 'nothing'))).rejects.toThrow('no pictures below it');
    expect(await findImages(folder)).toHaveLength(3);
  });
  test('a table', async () => {
    const table = file('path,label\na.png,x\nsub/b.png,y\n', '.csv');
    const set = await imageTable(table);
    expect(set).toMatchObject({ classes: ['x', 'y'], labels: Int32Array.of(0, 1) });
    expect(set.items).toEqual({ kind: 'files', paths: [join(root, 'a.png'), join(root, 'sub', 'b.png')] });
    const other = file('picture,kind\na.png,x\n', '.csv');
    expect(await imageTable(other, { path: 'picture', label: 'kind' })).toMatchObject({ classes: ['x'] });
    await expect(imageTable(other)).rejects.toThrow(
      'has no path in path, file or image; its columns are picture, kind',
    );
    await expect(imageTable(other, { path: 'picture', label: 'sort' })).rejects.toThrow('has no sort');
    expect((await imageTable(file('path\na.png\n', '.csv'))).labels).toBeNull();
    await expect(imageTable(file('path,label\n', '.csv'))).rejects.toThrow('it lists no pictures');
  });
});

test('a part of a set, and one held out of each class', async () => {
  const { images, labels } = {
    images: file(idx([10, 1, 1], values(10))),
    labels: file(idx([10], [0, 0, 0, 0, 0, 0, 1, 1, 1, 1])),
  };
  const set = await idxImages({ images, labels });
  const part = takeImages(set, [9, 0]);
  expect(part.items.kind === 'packed' && [...part.items.data]).toEqual([9, 0]);
  expect(part.labels).toEqual(Int32Array.of(1, 0));
  expect(() => takeImages(set, [10])).toThrow('there is no image 10; there are 10');
  const { train, validation } = splitImages(set, { share: 0.25, order: (i) => 9 - i });
  expect([train.count, [...validation.labels!].toSorted()]).toEqual([7, [0, 0, 1]]);
  expect(() => splitImages(set, { share: 1, order: (i) => i })).toThrow('between 0 and 1');
});

test('statistics of a set', async () => {
  const paths = [join(root, 's1.png'), join(root, 's2.png')];
  const image = pixels(1, 2, 3, Uint8Array.of(0, 51, 255, 102, 51, 255));
  await writeImage(paths[0]!, image);
  await writeImage(paths[1]!, image);
  const { mean, std, meanImage, colors } = await imageStatistics(filesSet('two', paths));
  [0.2, 0.2, 1].forEach((v, c) => expect(mean[c]).toBeCloseTo(v, 6));
  [0.2, 0, 0].forEach((v, c) => expect(std[c]).toBeCloseTo(v, 6));
  expect([...meanImage].map((v) => Math.round(v * 10) / 10)).toEqual([0, 0.4, 0.2, 0.2, 1, 1]);
  // All variation is in red.
  expect(colors!.eigenvalues[0]).toBeCloseTo(0.2, 6);
  expect(Math.abs(colors!.eigenvectors[0]![0]!)).toBeCloseTo(1, 6);
  expect(colors!.eigenvalues[1]).toBeCloseTo(0, 6);
});

describe('imageBatches', () => {
  // Images whose values all are their number.
  const numbered = (count: number): Promise<ImageSet> =>
    idxImages({
      images: file(
        idx(
          [count, 6, 6],
          Array.from({ length: count * 36 }, (_, i) => Math.floor(i / 36)),
        ),
      ),
      labels: file(
        idx(
          [count],
          Array.from({ length: count }, (_, i) => i % 10),
        ),
      ),
    });
  const numbers = ({ batch }: Counted<NamedBatch>): number[] => {
    const { data, shape } = batch['pixel_values']!;
    const size = data.length / shape[0]!;
    return Array.from({ length: shape[0]! }, (_, b) =>
      Math.round(255 * Math.max(...(data as Float32Array).slice(b * size, (b + 1) * size))),
    );
  };
  const o: ImageBatchesOptions = { batchSize: 4, channels: 1, workers: 0 };

  test('every image once an epoch, in another order each time; the last batch is filled up', async () => {
    const data = imageBatches(await numbered(10), o);
    expect(data.perEpoch).toBe(3);
    const epoch = async (e: number): Promise<number[]> =>
      (await Promise.all([0, 1, 2].map((i) => data.batch(3 * e + i)))).flatMap(numbers);
    const [first, second] = [await epoch(0), await epoch(1)];
    expect(first.slice(0, 10).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(first.slice(10)).toEqual(first.slice(0, 2));
    expect(second).not.toEqual(first);
    const { batch, count } = await data.batch(1);
    expect(count).toBe(4);
    expect([...(batch['labels']!.data as BigInt64Array)].map(Number)).toEqual(
      numbers({ batch, count }).map((n) => n % 10),
    );
    await data.close();
  });

  test('in threads and without, out of order and again, a batch is the same', async () => {
    const set = await numbered(12);
    const transforms = [{ type: 'randomCrop', size: 6, padding: 2 }, { type: 'flip' }] as const;
    const all: Counted<NamedBatch>[][] = [];
    for (const [workers, order] of [
      [0, [0, 1, 2, 3, 4]],
      [2, [0, 1, 2, 3, 4]],
      [1, [4, 3, 0, 1, 2]],
    ] as const) {
      const data = imageBatches(set, { ...o, transforms, workers, seed: 3 });
      const found: Counted<NamedBatch>[] = [];
      for (const i of order) found[i] = await data.batch(i);
      await data.close();
      all.push(found);
    }
    expect(all[1]).toEqual(all[0]);
    expect(all[2]).toEqual(all[0]);
    const other = imageBatches(set, { ...o, transforms, seed: 4 });
    expect(await other.batch(0)).not.toEqual(all[0]![0]);
  });

  test('images to evaluate on come once, in order, not augmented', async () => {
    const set = await numbered(7);
    const transforms = [{ type: 'cutout', size: 6 }] as const;
    for (const workers of [0, 1]) {
      const data = imageBatches(set, { ...o, workers, transforms, validation: set });
      const seen: number[] = [];
      for await (const one of data.validation()) seen.push(...numbers(one));
      expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6]);
      await data.close();
    }
  });

  test('two views of each image, one after the other; more inputs; mixtures', async () => {
    const set = await numbered(8);
    const transforms = [{ type: 'affine', translate: [0.5, 0.5] }] as const;
    const inputs = (indices: readonly number[]): NamedBatch => ({
      extra: { data: Float32Array.from(indices), shape: [indices.length], dtype: 'float32' },
    });
    const data = imageBatches(set, { ...o, views: 2, transforms, inputs });
    const { batch } = await data.batch(0);
    expect(batch['pixel_values']!.shape).toEqual([8, 1, 6, 6]);
    const shown = numbers({ batch, count: 4 });
    const extra = [...(batch['extra']!.data as Float32Array)];
    expect(batch['labels']!.shape).toEqual([4]);
    expect([...shown.slice(0, 4), ...shown.slice(4)].every((n, k) => n <= extra[k % 4]!)).toBe(true);
    expect(batch['pixel_values']!.data.slice(0, 144)).not.toEqual(batch['pixel_values']!.data.slice(144));
    const mixed = imageBatches(set, { ...o, mix: { kind: 'mixup' } });
    expect(Object.keys((await mixed.batch(0)).batch)).toEqual(['pixel_values', 'labels', 'other_labels', 'share']);
  });

  test('a broken picture is named, or left out when asked', async () => {
    const folder = await folderOf('some', { a: [10, 20, 30], b: [40] });
    writeFileSync(join(folder, 'a', '15.png'), 'not a picture');
    const set = await imageFolder(folder);
    for (const workers of [0, 1]) {
      const data = imageBatches(set, { batchSize: 5, workers, validation: set });
      await expect(data.batch(0)).rejects.toThrow(/15\.png: it is no picture/);
      await expect(data.validation()[Symbol.asyncIterator]().next()).rejects.toThrow(/15\.png/);
      await data.close();
      const told: string[] = [];
      const kept = imageBatches(set, { batchSize: 5, workers, validation: set, onBroken: (m) => told.push(m) });
      expect(numbers(await kept.batch(0)).toSorted((a, b) => a - b)).toEqual([10, 20, 20, 30, 40]);
      const seen: number[] = [];
      for await (const one of kept.validation()) seen.push(...numbers(one));
      expect(seen).toEqual([10, 20, 30, 40]);
      expect(told).toHaveLength(1);
      await kept.close();
    }
    const lost = imageBatches(filesSet('bad', [file('x'), file('y')]), { ...o, onBroken: () => {} });
    await expect(lost.batch(0)).rejects.toThrow('none of its 2 images can be read');
  });

  test('images of different sizes are named with what to do', async () => {
    await writeImage(join(root, 'large.png'), flat(1, 9, 9));
    await writeImage(join(root, 'small.png'), flat(2, 3, 3));
    const set = filesSet('sizes', [join(root, 'large.png'), join(root, 'small.png')]);
    const data = imageBatches(set, { batchSize: 2, workers: 0 });
    await expect(data.batch(0)).rejects.toThrow(
      /of one size: .* 9 by 9.* 3 by 3.*add a transform|of one size: .* 3 by 3.* 9 by 9.*add a transform/,
    );
    const fine = imageBatches(set, { batchSize: 2, workers: 0, transforms: [{ type: 'resize', size: [5, 5] }] });
    expect((await fine.batch(0)).batch['pixel_values']!.shape).toEqual([2, 3, 5, 5]);
  });

  test('options that make no sense are refused', async () => {
    const set = await numbered(4);
    expect(() => imageBatches(set, { batchSize: 0 })).toThrow('batchSize is 0');
    expect(() => imageBatches(set, { ...o, workers: -1 })).toThrow('workers is -1');
    expect(() => imageBatches(set, { ...o, views: 2, mix: { kind: 'mixup' } })).toThrow('not both');
    expect(() => imageBatches(takeImages(set, []), o)).toThrow('no images to train on');
    expect(() => imageBatches(set, { ...o, normalization: { mean: [0, 0, 0] } })).toThrow('each of 1 channels');
  });
});
