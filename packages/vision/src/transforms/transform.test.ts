// Transforms against values worked out by hand, and over many draws.
import { random } from '@brickwork/nn';
import { hostTensor } from '@brickwork/runtime';
import { describe, expect, test } from 'vitest';
import { pixels, type Pixels } from '../images/pixels.ts';
import { warp } from './affine.ts';
import { adjustBrightness, adjustContrast, adjustHue, adjustSaturation } from './color-jitter.ts';
import { mixBatch } from './mixup.ts';
import { tenCrop } from './ten-crop.ts';
import { applyTransforms, checkTransforms, type Transform } from './transform.ts';

const grey = (width: number, values: readonly number[]): Pixels =>
  pixels(width, values.length / width, 1, Uint8Array.from(values));
const colour = (...values: number[]): Pixels => pixels(values.length / 3, 1, 3, Uint8Array.from(values));
const apply = (image: Pixels, t: Transform, seed = 0): Promise<Pixels> => applyTransforms(image, [t], random(seed));
const ramp = grey(
  6,
  Array.from({ length: 36 }, (_, i) => i + 1),
);

describe('transforms', () => {
  test('the same seed gives the same image, another one another', async () => {
    const all: Transform[] = [
      { type: 'randomResizedCrop', size: 8 },
      { type: 'flip' },
      { type: 'colorJitter', brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
      { type: 'affine', degrees: 20, translate: [0.1, 0.1], scale: [0.9, 1.1], shear: 5 },
      { type: 'blur' },
      { type: 'lighting' },
      { type: 'grayscale' },
      { type: 'cutout', size: 3 },
    ];
    checkTransforms(all);
    const photo = pixels(12, 10, 3);
    photo.data.forEach((_, i) => (photo.data[i] = (i * 37) % 256));
    const once = async (seed: number): Promise<Pixels> => applyTransforms(photo, all, random(seed));
    expect(await once(4)).toEqual(await once(4));
    expect(await once(4)).not.toEqual(await once(5));
    expect(await once(4)).toMatchObject({ width: 8, height: 8, channels: 3 });
  });

  test('half of the images are flipped', async () => {
    const flips = await Promise.all(
      Array.from(
        { length: 400 },
        async (_, seed) => (await apply(grey(2, [1, 2]), { type: 'flip' }, seed)).data[0] === 2,
      ),
    );
    expect(Math.abs(flips.filter(Boolean).length - 200)).toBeLessThan(50);
    expect((await apply(grey(2, [1, 2]), { type: 'flip', probability: 1 })).data[0]).toBe(2);
  });

  test('a random crop of a bordered image takes every place', async () => {
    const t = { type: 'randomCrop', size: 6, padding: 1, fill: 9 } as const;
    const seen = new Set<number>();
    for (let seed = 0; seed < 200; seed++) {
      const { width, height, data } = await apply(ramp, t, seed);
      expect([width, height]).toEqual([6, 6]);
      seen.add(data[14]!); // one of the nine around 15
    }
    expect([...seen].toSorted((a, b) => a - b)).toEqual([8, 9, 10, 14, 15, 16, 20, 21, 22]);
    const small = await apply(grey(2, [1, 2, 3, 4]), { type: 'randomCrop', size: 4 });
    expect([...small.data]).toEqual([0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0]);
  });

  test('the middle, and a size', async () => {
    expect([...(await apply(ramp, { type: 'centerCrop', size: 2 })).data]).toEqual([15, 16, 21, 22]);
    expect(await apply(ramp, { type: 'resize', size: [3, 5] })).toMatchObject({ width: 5, height: 3 });
    expect(await apply(pixels(20, 10, 1), { type: 'resize', size: 5 })).toMatchObject({ width: 10, height: 5 });
  });

  test('the areas of random resized crops are spread as they should be', async () => {
    // An image whose values say where a pixel is: from a resized crop's corners its area follows.
    const side = 200;
    const flat = pixels(side, side, 1);
    flat.data.forEach((_, i) => (flat.data[i] = i % side));
    const widths: number[] = [];
    for (let seed = 0; seed < 100; seed++) {
      const { data } = await apply(
        flat,
        { type: 'randomResizedCrop', size: 4, scale: [0.25, 0.25], ratio: [1, 1] },
        seed,
      );
      // Half of the side lies between the middles of the first and last of four columns: 3/4 of 100.
      widths.push(data[3]! - data[0]!);
    }
    for (const w of widths) expect(Math.abs(w - 75)).toBeLessThan(6);
    const long = await apply(pixels(100, 2, 1), { type: 'randomResizedCrop', size: 3 });
    expect(long).toMatchObject({ width: 3, height: 3 });
  });

  test('colours change as torchvision’s', () => {
    const two = colour(200, 100, 50, 10, 20, 30);
    expect([...adjustBrightness(two, 1.5).data]).toEqual([255, 150, 75, 15, 30, 45]);
    expect([...adjustBrightness(two, 0).data]).toEqual([0, 0, 0, 0, 0, 0]);
    // Greys of 124 and 18, 71 on average.
    expect([...adjustContrast(two, 0).data]).toEqual([71, 71, 71, 71, 71, 71]);
    expect([...adjustContrast(two, 0.5).data]).toEqual([136, 86, 61, 41, 46, 51]);
    expect([...adjustSaturation(two, 0).data]).toEqual([124, 124, 124, 18, 18, 18]);
    expect([...adjustSaturation(two, 1).data]).toEqual([...two.data]);
    expect([...adjustHue(colour(255, 0, 0), 1 / 3).data]).toEqual([0, 255, 0]);
    expect([...adjustHue(colour(255, 0, 0), -1 / 3).data]).toEqual([0, 0, 255]);
    expect([...adjustHue(colour(200, 100, 50, 7, 7, 7), 0.5).data]).toEqual([50, 150, 200, 7, 7, 7]);
    expect([...adjustHue(two, 0).data]).toEqual([...two.data]);
    expect(adjustHue(ramp, 0.3)).toBe(ramp);
  });

  test('jitter of nothing changes nothing; grey is a matter of chance', async () => {
    const two = colour(200, 100, 50, 10, 20, 30);
    expect(await apply(two, { type: 'colorJitter' })).toEqual(two);
    expect(await apply(two, { type: 'colorJitter', brightness: 1, probability: 0 })).toBe(two);
    expect([...(await apply(two, { type: 'grayscale', probability: 1 })).data]).toEqual([124, 124, 124, 18, 18, 18]);
  });

  test('lighting moves all pixels of an image by one colour, of the paper’s spread', async () => {
    const flat = pixels(4, 4, 3);
    flat.data.fill(128);
    const reds: number[] = [];
    for (let seed = 0; seed < 400; seed++) {
      const { data } = await apply(flat, { type: 'lighting' }, seed);
      for (let i = 0; i < 48; i++) expect(data[i]).toBe(data[i % 3]);
      reds.push(data[0]! - 128);
    }
    // The deviation of red: 25.5 times the root of the sum of (vector · value)².
    const wanted = 25.5 * Math.hypot(0.5675 * 0.2175, 0.7192 * 0.0188, 0.4009 * 0.0045);
    const found = Math.sqrt(reds.reduce((sum, r) => sum + r * r, 0) / reds.length);
    expect(Math.abs(found / wanted - 1)).toBeLessThan(0.15);
  });

  test('affine maps: a quarter turn, a shift, a scale', () => {
    const image = grey(3, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const turned = warp(image, { matrix: [0, -1, 1, 0], shift: [0, 0] });
    expect([...turned.data]).toEqual([7, 4, 1, 8, 5, 2, 9, 6, 3]);
    expect([...warp(image, { matrix: [1, 0, 0, 1], shift: [1, 0], fill: 50 }).data]).toEqual([
      50, 1, 2, 50, 4, 5, 50, 7, 8,
    ]);
    // Half a pixel is the mean of two.
    expect([...warp(grey(2, [10, 20]), { matrix: [1, 0, 0, 1], shift: [0.5, 0] }).data]).toEqual([5, 15]);
    expect([...warp(image, { matrix: [2, 0, 0, 2], shift: [0, 0] }).data]).toEqual(
      [3, 4, 4, 5, 5, 6, 6, 6, 7].map((_, i) => {
        const [y, x] = [Math.floor(i / 3), i % 3];
        return Math.round(1 + (1 + (x - 1) / 2) + 3 * (1 + (y - 1) / 2));
      }),
    );
    expect(() => warp(image, { matrix: [1, 1, 1, 1], shift: [0, 0] })).toThrow('no inverse');
  });

  test('a square is covered, of the size asked for where it lies inside', async () => {
    const white = pixels(20, 20, 3);
    white.data.fill(255);
    const dark = async (seed: number): Promise<number> =>
      (await apply(white, { type: 'cutout', size: 4 }, seed)).data.filter((v) => v === 0).length / 3;
    const all = await Promise.all(Array.from({ length: 60 }, (_, seed) => dark(seed)));
    expect(Math.max(...all)).toBe(16);
    expect(all.every((n) => n >= 4)).toBe(true);
    expect(white.data.every((v) => v === 255)).toBe(true);
  });

  test('ten crops', () => {
    const crops = tenCrop(ramp, 4);
    expect(crops.map(({ data }) => data[0])).toEqual([1, 3, 13, 15, 8, 4, 6, 16, 18, 11]);
    expect(() => tenCrop(ramp, 7)).toThrow('7 by 7 of an image of 6 by 6');
  });

  test('what isn’t known or makes no sense is refused', () => {
    const bad =
      (t: object): (() => void) =>
      () =>
        checkTransforms([t as Transform]);
    expect(bad({ type: 'mirror' })).toThrow('there is no {"type":"mirror"}; there are affine, blur,');
    expect(bad({ type: 'flip', p: 0.5 })).toThrow('flip has no p; it has probability');
    expect(bad({ type: 'flip', probability: 2 })).toThrow('probability is 2');
    expect(bad({ type: 'resize', size: [1, 2, 3] })).toThrow('size is [1,2,3]');
    expect(bad({ type: 'randomCrop', size: 0 })).toThrow('size is 0');
    expect(bad({ type: 'randomCrop', size: 4, padding: -1 })).toThrow('padding is -1');
    expect(bad({ type: 'randomResizedCrop', size: 4, scale: [1, 0.5] })).toThrow('scale is [1,0.5]');
    expect(bad({ type: 'colorJitter', hue: 0.7 })).toThrow('hue is 0.7');
    expect(bad({ type: 'affine', degrees: 400 })).toThrow('degrees is 400');
    expect(bad({ type: 'lighting', eigenvalues: [1, 2, 3] })).toThrow('eigenvectors, or neither');
    expect(bad({ type: 'cutout', size: 2.5 })).toThrow('size is 2.5');
    expect(bad({ type: 'blur', sigma: [2, 1] })).toThrow('sigma is [2,1]');
  });
});

describe('mixBatch', () => {
  const B = 6;
  const batch = {
    pixel_values: hostTensor(
      Float32Array.from({ length: B * 64 }, (_, i) => Math.floor(i / 64)),
      [B, 1, 8, 8],
    ),
    labels: hostTensor(BigInt64Array.from({ length: B }, (_, i) => BigInt(10 * i))),
  };
  test.each(['mixup', 'cutmix'] as const)('%s: what an image is made of, its labels say', (kind) => {
    for (let seed = 0; seed < 20; seed++) {
      const { pixel_values, labels, other_labels, share } = mixBatch(batch, { kind }, random(seed));
      const kept = Number(share!.data[0]);
      expect(kept >= 0 && kept <= 1).toBe(true);
      expect(labels).toEqual(batch.labels);
      expect([...(other_labels!.data as BigInt64Array)].toSorted()).toEqual(
        [...(labels!.data as BigInt64Array)].toSorted(),
      );
      for (let b = 0; b < B; b++) {
        const own = (pixel_values!.data as Float32Array).slice(b * 64, (b + 1) * 64);
        const mean = own.reduce((a, c) => a + c, 0) / 64;
        expect(mean).toBeCloseTo(kept * b + (1 - kept) * (Number(other_labels!.data[b]) / 10), 4);
        if (kind === 'cutmix') expect(own.every((v) => Number.isInteger(v))).toBe(true);
      }
    }
  });
  test('shares are spread as their distribution says', () => {
    const shares = Array.from({ length: 500 }, (_, seed) =>
      Number(mixBatch(batch, { kind: 'mixup', alpha: 0.4 }, random(seed))['share']!.data[0]),
    );
    const mean = shares.reduce((a, b) => a + b, 0) / 500;
    const variance = shares.reduce((a, b) => a + (b - mean) ** 2, 0) / 500;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.05);
    // Beta(a, a): 1 / (4 (2 a + 1)).
    expect(Math.abs(variance - 1 / 7.2)).toBeLessThan(0.02);
  });
  test('what makes no sense is refused', () => {
    expect(() => mixBatch(batch, { kind: 'blend' as never }, random(0))).toThrow('needs mixup or cutmix');
    expect(() => mixBatch(batch, { kind: 'mixup', alpha: 0 }, random(0))).toThrow('alpha is 0');
    expect(() => mixBatch({ labels: batch.labels }, { kind: 'mixup' }, random(0))).toThrow('needs pixel_values');
  });
});
