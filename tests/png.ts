// Reads a PNG of 8-bit RGB, as the test photographs are (RFC 2083), so that tests need no image library.
import { inflateSync } from 'node:zlib';

/** Pixels in rows from the top, three bytes each. */
export function readPng(bytes: Buffer): { width: number; height: number; data: Uint8Array } {
  const parts: Buffer[] = [];
  let [width, height] = [0, 0];
  for (let at = 8; at < bytes.length;) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    const content = bytes.subarray(at + 8, at + 8 + length);
    if (type === 'IHDR') {
      [width, height] = [content.readUInt32BE(0), content.readUInt32BE(4)];
      const [depth, colour, , , interlaced] = content.subarray(8);
      if (depth !== 8 || colour !== 2 || interlaced) throw new Error('readPng: needs 8-bit RGB, not interlaced');
    } else if (type === 'IDAT') parts.push(content);
    at += 12 + length;
  }
  const raw = inflateSync(Buffer.concat(parts));
  const stride = 3 * width;
  const data = new Uint8Array(height * stride);
  const paeth = (a: number, b: number, c: number): number => {
    const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
  };
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)]!;
    for (let x = 0; x < stride; x++) {
      const left = x >= 3 ? data[y * stride + x - 3]! : 0;
      const up = y ? data[(y - 1) * stride + x]! : 0;
      const corner = x >= 3 && y ? data[(y - 1) * stride + x - 3]! : 0;
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter]!;
      data[y * stride + x] = raw[y * (stride + 1) + 1 + x]! + guess;
    }
  }
  return { width, height, data };
}
