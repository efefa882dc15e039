// Sheets of pictures, numbers as colours, similar images, strongest images.
import { hostTensor } from '@brickwork/runtime';
import { describe, expect, test } from 'vitest';
import { decodeImage } from '../images/decode-image.ts';
import { pixels } from '../images/pixels.ts';
import { similarImages } from '../search/similar-images.ts';
import { smallClassifier } from '../explain/small-network.fixture.ts';
import { strongestImages } from '../explain/strongest.ts';
import { deconvnet } from '../explain/deconvnet.ts';
import { imagesTensor } from '../images/normalize.ts';
import { storedImage } from '../data/read-image.ts';
import { shapes } from '../train/shapes.fixture.ts';
import { filterPictures, heatPicture, magnify, overlay, signedPicture } from './colours.ts';
import { pictureSheet, sheetPng } from './sheet.ts';

describe('sheets', () => {
  const red = pixels(
    4,
    2,
    3,
    Uint8Array.from({ length: 24 }, (_, i) => (i % 3 ? 0 : 255)),
  );
  test('hold the pictures, their captions and frames', async () => {
    const svg = await pictureSheet([{ image: red, caption: ['a <cat>'], frame: '#00f' }, { image: red }], {
      title: 'Two & more',
    });
    expect(svg.match(/<image /g)).toHaveLength(2);
    expect(svg).toContain('a &lt;cat&gt;');
    expect(svg).toContain('Two &amp; more');
    expect(svg).toContain('stroke="#00f"');
    await expect(pictureSheet([])).rejects.toThrow('there are no pictures');
  });
  test('as PNG the picture is where it should be', async () => {
    const { width, data } = await decodeImage(await sheetPng([{ image: red }], { size: 40 }));
    // The sheet is drawn at twice its size, with a margin of 12.
    const at = (x: number, y: number): number[] => [...data.slice((y * width + x) * 3, (y * width + x) * 3 + 3)];
    expect(at(2 * 12 + 40, 2 * 12 + 20)).toEqual([255, 0, 0]);
    expect(at(4, 4)).toEqual([255, 255, 255]);
  });
});

describe('numbers as colours', () => {
  test('heat from black to white, signs by blue and red, grey as 0', async () => {
    const hot = heatPicture([0, 1], 2);
    expect([...hot.data]).toEqual([0, 0, 0, 255, 255, 240]);
    const signs = heatPicture([-2, 0, 2], 3, { scale: 'signed' });
    expect([...signs.data]).toEqual([33, 102, 172, 247, 247, 247, 178, 24, 43]);
    expect([...signedPicture([-1, 0, 1, 0.5], [1, 2, 2]).data]).toEqual([0, 128, 255, 191]);
    expect([...heatPicture([0, 0], 2).data]).toEqual([0, 0, 0, 0, 0, 0]);
    const twice = await magnify(hot, 2);
    expect([twice.width, ...twice.data.slice(0, 3)]).toEqual([4, 0, 0, 0]);
  });
  test('a map over an image', () => {
    const image = pixels(2, 1, 3, Uint8Array.of(100, 100, 100, 100, 100, 100));
    expect([...overlay(image, [0, 1], { strength: 1 }).data]).toEqual([100, 100, 100, 255, 255, 240]);
    expect(() => overlay(image, [1])).toThrow('1 values for 2 by 1');
  });
  test('filters: colours of three inputs, the mean of others', () => {
    const three = filterPictures(hostTensor(Float32Array.of(1, 0, -1), [1, 3, 1, 1]));
    expect([...three[0]!.data]).toEqual([255, 128, 0]);
    const two = filterPictures(hostTensor(Float32Array.of(1, 1, 0, -1), [1, 2, 1, 2]));
    expect([two[0]!.channels, ...two[0]!.data]).toEqual([1, 255, 128]);
    expect(() => filterPictures(hostTensor(new Float32Array(2), [2]))).toThrow('a convolution');
  });
});

describe('similarImages', () => {
  const among = { data: Float32Array.of(0, 0, 3, 4, 6, 8, 0, 1), count: 4, dimension: 2, indices: [0, 1, 2, 5] };
  test('nearest first, by distance or angle', () => {
    expect(similarImages([0, 0], among, { topK: 3 })).toEqual([
      { index: 0, distance: 0 },
      { index: 5, distance: 1 },
      { index: 1, distance: 5 },
    ]);
    expect(similarImages([3, 4], among, { topK: 2, by: 'cosine', except: [1] }).map(({ index }) => index)).toEqual([
      2, 5,
    ]);
    expect(similarImages([3, 4], among, { by: 'cosine' }).at(-1)!.distance).toBe(1); // of zeros nothing is known
  });
  test('what doesn’t fit is refused', () => {
    expect(() => similarImages([1], among)).toThrow('the query has 1 values, the images 2');
    expect(() => similarImages([1, 2], among, { topK: 0 })).toThrow('topK is 0');
    expect(() => similarImages([1, 2], among, { by: 'dot' as never })).toThrow('needs euclidean or cosine');
  });
});

test('the strongest images of a unit are those of all, whatever the batch', async () => {
  const classifier = smallClassifier();
  const set = shapes(30);
  const o = { layer: 'features.0.relu', channels: 1, workers: 0 } as const;
  const layer = classifier.layers()[1]!;
  const all = await strongestImages(classifier, set, { ...o, layer, topK: 4, batchSize: 30 });
  const few = await strongestImages(classifier, set, { ...o, layer, topK: 4, batchSize: 7 });
  expect([...few.keys()]).toEqual([0, 1, 2, 3]);
  for (const [unit, found] of all) {
    expect(few.get(unit)!.map(({ index }) => index)).toEqual(found.map(({ index }) => index));
    // The same activation at the same place, by the deconvnet's own search.
    const [best] = found;
    const pixelsOf = imagesTensor([await storedImage(set, best!.index, 1)]);
    const { activations, at } = await deconvnet(classifier, pixelsOf, { layer, unit });
    expect(activations[0]).toBeCloseTo(best!.activation, 5);
    expect(at[0]).toEqual(best!.at);
  }
  await expect(strongestImages(classifier, set, { ...o, layer, units: [9] })).rejects.toThrow('the unit is 9');
  await expect(strongestImages(classifier, set, { ...o, layer: 'fc' })).rejects.toThrow('there is no layer fc');
  await classifier.dispose();
});
