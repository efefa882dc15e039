// Pictures of all kinds, good and bad, made here.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, describe, expect, test } from 'vitest';
import { decodeImage, imageInfo } from './decode-image.ts';
import { encodeImage, writeImage } from './encode-image.ts';
import { imagesOf, imagesTensor } from './normalize.ts';
import { crop, mirror, pixels, toColour, toGrey } from './pixels.ts';
import { resize, shortestEdge } from './resize.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-images-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const file = (name: string, content: string | Uint8Array): string => {
  const path = join(root, name);
  writeFileSync(path, content);
  return path;
};
// 3 by 2: red, green, blue; black, white, grey.
const six = pixels(3, 2, 3, Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 128, 128, 128));
const raw = { raw: { width: 3, height: 2, channels: 3 } } as const;

/** A PNG that claims a size, with whatever data. */
function png(width: number, height: number, data: Uint8Array): Uint8Array {
  const chunk = (type: string, body: Uint8Array): Buffer => {
    const all = Buffer.concat([Buffer.from(type), body]);
    const out = Buffer.alloc(12 + body.length);
    out.writeUInt32BE(body.length, 0);
    all.copy(out, 4);
    let crc = ~0;
    for (const byte of all) {
      crc ^= byte;
      for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
    }
    out.writeUInt32BE(~crc >>> 0, 8 + body.length);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 0, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', head),
    chunk('IDAT', data),
    chunk('IEND', new Uint8Array(0)),
  ]);
}

describe('decodeImage', () => {
  test('PNG and WebP without loss give the values back, from files and from bytes', async () => {
    const bytes = await encodeImage(six);
    expect(await decodeImage(bytes)).toEqual(six);
    expect(await decodeImage(file('six.png', bytes))).toEqual(six);
    expect(await decodeImage(await sharp(six.data, raw).webp({ lossless: true }).toBuffer())).toEqual(six);
    expect(await imageInfo(bytes)).toEqual({ format: 'png', width: 3, height: 2, frames: 1 });
  });

  test('a JPEG is close', async () => {
    const path = join(root, 'soft.jpg');
    const soft = pixels(16, 16, 3);
    soft.data.forEach((_, i) => (soft.data[i] = 40 + (i % 48) * 2 + (i % 3) * 20));
    await writeImage(path, soft);
    const found = await decodeImage(path);
    const off = found.data.map((v, i) => Math.abs(v - soft.data[i]!));
    expect([found.width, found.height, Math.max(...off) < 40]).toEqual([16, 16, true]);
  });

  test('EXIF says how the picture was held', async () => {
    const turned = await sharp(six.data, raw).withMetadata({ orientation: 6 }).png().toBuffer();
    const found = await decodeImage(turned);
    // A quarter clockwise: the left column becomes the upper row, from below.
    expect([found.width, found.height]).toEqual([2, 3]);
    expect([...found.data.slice(0, 6)]).toEqual([0, 0, 0, 255, 0, 0]);
    expect(await imageInfo(turned)).toMatchObject({ width: 2, height: 3 });
  });

  test('grey, transparent, 16-bit, CMYK and palette pictures become what was asked for', async () => {
    const grey = await decodeImage(await encodeImage(six), { channels: 1 });
    expect(grey.channels).toBe(1);
    // libvips weighs light, not values, so that colours differ a little from BT.601; greys don't.
    expect([...grey.data.slice(3)]).toEqual([0, 255, 128]);
    const half = Uint8Array.of(255, 0, 0, 0, 10, 20, 30, 255);
    const alpha = await sharp(half, { raw: { width: 2, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    expect([...(await decodeImage(alpha)).data]).toEqual([255, 255, 255, 10, 20, 30]);
    expect([...(await decodeImage(alpha, { background: 0 })).data]).toEqual([0, 0, 0, 10, 20, 30]);
    const deep = await sharp(Uint16Array.of(0, 0x8080, 0xffff), { raw: { width: 3, height: 1, channels: 1 } })
      .toColourspace('grey16')
      .png()
      .toBuffer();
    expect([...(await decodeImage(deep, { channels: 1 })).data]).toEqual([0, 128, 255]);
    expect([...(await decodeImage(deep)).data]).toEqual([0, 0, 0, 128, 128, 128, 255, 255, 255]);
    const palette = await sharp(six.data, raw).png({ palette: true, colours: 8, dither: 0 }).toBuffer();
    expect((await decodeImage(palette)).data.length).toBe(18);
    const cmyk = await sharp(six.data, raw).toColourspace('cmyk').jpeg().toBuffer();
    expect(await decodeImage(cmyk)).toMatchObject({ width: 3, height: 2, channels: 3 });
    expect(await decodeImage(await encodeImage(pixels(1, 1, 1)))).toMatchObject({ width: 1, height: 1, channels: 3 });
  });

  test('of an animated picture the first', async () => {
    const frames = Uint8Array.from({ length: 2 * 4 * 3 }, (_, i) => (i < 12 ? 255 : 0));
    const gif = await sharp(frames, { raw: { width: 2, height: 4, channels: 3, pageHeight: 2 } })
      .gif()
      .toBuffer();
    expect(await imageInfo(gif)).toMatchObject({ frames: 2, width: 2, height: 2 });
    const first = await decodeImage(gif);
    expect([first.height, first.data.every((v) => v === 255)]).toEqual([2, true]);
  });

  test('what is no picture, or a broken one, is named', async () => {
    const noise = pixels(64, 64, 3);
    noise.data.forEach((_, i) => (noise.data[i] = (i * 7919) % 256));
    const jpeg = await encodeImage(noise, 'jpeg');
    const whole = await encodeImage(noise);
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>';
    const cases: [string, string | Uint8Array, RegExp][] = [
      ['words.png', 'this is a text', /words\.png: it is no picture/],
      ['empty.png', '', /empty\.png: it is empty/],
      ['cut.jpg', jpeg.slice(0, jpeg.length / 2), /cut\.jpg: the picture is broken/],
      ['cut.png', whole.slice(0, whole.length / 2), /cut\.png: the picture is broken/],
      ['head.png', whole.slice(0, 20), /head\.png: (the picture is broken|it is no picture)/],
      ['drawing.png', svg, /drawing\.png: svg is not among|drawing\.png: it is no picture/],
      ['zero.png', png(0, 5, new Uint8Array(0)), /zero\.png/],
    ];
    for (const [name, content, expected] of cases)
      await expect(decodeImage(file(name, content))).rejects.toThrow(expected);
    await expect(decodeImage(join(root, 'absent.png'))).rejects.toThrow('absent.png: there is no such file');
    await expect(decodeImage(root)).rejects.toThrow('it is a folder');
    await expect(decodeImage(Uint8Array.of(1, 2), { name: 'upload 7' })).rejects.toThrow('upload 7: it is no picture');
  });

  test('a picture that unpacks to gigabytes is refused by its header, in little memory', async () => {
    // 20000 by 20000 zeros: 400 MB of pixels in 400 kB of file.
    const bomb = png(20000, 20000, deflateSync(Buffer.alloc(20001 * 2000), { level: 9 }));
    const before = process.memoryUsage.rss();
    await expect(decodeImage(file('bomb.png', bomb))).rejects.toThrow(
      /bomb\.png: 20000 by 20000 pixels are more than 67108864/,
    );
    expect(process.memoryUsage.rss() - before).toBeLessThan(1e8);
    await expect(decodeImage(png(2 ** 30, 2 ** 30, new Uint8Array(0)))).rejects.toThrow(/pixels|broken|no picture/);
    await expect(decodeImage(await encodeImage(six), { maxPixels: 5 })).rejects.toThrow('more than 5');
  });
});

test('a kind of file that can’t be written is refused', async () => {
  await expect(writeImage(join(root, 'x.bmp'), six)).rejects.toThrow('x.bmp: the picture');
});

describe('pixels', () => {
  test('sizes and values that make no sense are refused', () => {
    expect(() => pixels(0, 1, 3)).toThrow('the width is 0');
    expect(() => pixels(2, 2, 2 as never)).toThrow('2 channels');
    expect(() => pixels(2, 2, 1, new Uint8Array(3))).toThrow('3 values for 2 by 2');
  });
  test('cropping, mirroring, grey and colour', () => {
    const part = crop(six, { left: 1, top: -1, width: 3, height: 2 }, 7);
    expect([...part.data]).toEqual([7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 255, 0, 0, 0, 255, 7, 7, 7]);
    expect([...crop(six, { left: 9, top: 0, width: 1, height: 1 }).data]).toEqual([0, 0, 0]);
    expect([...mirror(six).data.slice(0, 9)]).toEqual([0, 0, 255, 0, 255, 0, 255, 0, 0]);
    expect(mirror(mirror(six))).toEqual(six);
    // 0.299, 0.587 and 0.114 of 255.
    expect([...toGrey(six).data]).toEqual([76, 150, 29, 0, 255, 128]);
    expect([...toColour(toGrey(six)).data.slice(0, 6)]).toEqual([76, 76, 76, 150, 150, 150]);
  });
});

describe('resize', () => {
  test('half the size is about the mean of four, and a region is cut first', async () => {
    const board = pixels(8, 8, 1);
    board.data.forEach((_, i) => (board.data[i] = ((i >> 2) + (i >> 5)) % 2 ? 200 : 0));
    const small = await resize(board, { width: 2, height: 2 });
    expect([...small.data].map((v) => (v > 100 ? 1 : 0))).toEqual([0, 1, 1, 0]);
    const flat = await resize(board, { width: 5, height: 3 }, { region: { left: 4, top: 0, width: 4, height: 4 } });
    expect([...flat.data]).toEqual(Array(15).fill(200));
    expect(await resize(board, { width: 8, height: 8 })).toBe(board);
    // Every other pixel black and white: a sample would be one of them, a mean is grey.
    const stripes = pixels(64, 1, 1);
    stripes.data.forEach((_, i) => (stripes.data[i] = 255 * (i % 2)));
    const grey = await resize(stripes, { width: 8, height: 1 });
    for (const v of grey.data) expect(Math.abs(v - 127.5)).toBeLessThan(20);
  });
  test('sizes and regions that make no sense are refused', async () => {
    await expect(resize(six, { width: 0, height: 1 })).rejects.toThrow('to 0 by 1');
    await expect(resize(six, { width: 1, height: 1 }, { kernel: 'mean' as never })).rejects.toThrow(
      'the kernel is "mean"',
    );
    const region = { left: 2, top: 0, width: 2, height: 1 };
    await expect(resize(six, { width: 1, height: 1 }, { region })).rejects.toThrow("isn't within 3 by 2");
    expect(shortestEdge({ width: 640, height: 480 }, 256)).toEqual({ width: 341, height: 256 });
    expect(shortestEdge({ width: 1, height: 1000 }, 8)).toEqual({ width: 8, height: 8000 });
  });
});

describe('normalization', () => {
  test('there and back', () => {
    const n = { mean: [0.5, 0.25, 0], std: [0.5, 1, 2] };
    const tensor = imagesTensor([six, mirror(six)], n);
    expect(tensor.shape).toEqual([2, 3, 2, 3]);
    expect(tensor.data[0]).toBeCloseTo(1, 6); // red: (1 - 0.5) / 0.5
    expect(tensor.data[6]).toBeCloseTo(-0.25, 6); // its green
    expect(imagesOf(tensor, n)).toEqual([six, mirror(six)]);
    const meanImage = Float32Array.from({ length: 18 }, (_, i) => i / 20);
    const centred = imagesTensor([six], { meanImage });
    expect(centred.data[1]).toBeCloseTo(0 - 1 / 20, 6);
    expect(imagesOf(centred, { meanImage })).toEqual([six]);
  });
  test('what doesn’t fit is refused', () => {
    expect(() => imagesTensor([])).toThrow('no images');
    expect(() => imagesTensor([six, pixels(2, 2, 3)])).toThrow('image 1 is 2 by 2, in colour, the first 3 by 2');
    expect(() => imagesTensor([six], { mean: [0.5] })).toThrow('mean is [0.5]; needs a number for each of 3');
    expect(() => imagesTensor([six], { std: [1, 0, 1] })).toThrow('needs numbers above 0');
    expect(() => imagesTensor([six], { meanImage: new Float32Array(3) })).toThrow('the mean image has 3 values');
  });
});
