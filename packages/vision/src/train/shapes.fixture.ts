// Small grey images of three classes for tests: a bar lying, a bar standing, a square; each somewhere, with noise.
import { random } from '@brickwork/nn';
import type { ImageSet } from '../data/image-set.ts';

/** So many of them, in turn. */
export function shapes(
  count: number,
  { size = 12, seed = 1 }: { readonly size?: number; readonly seed?: number } = {},
): ImageSet {
  const draw = random(seed);
  const data = new Uint8Array(new SharedArrayBuffer(count * size * size));
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3);
  labels.forEach((label, i) => {
    const [h, w] = [
      [2, 8],
      [8, 2],
      [4, 4],
    ][label] as [number, number];
    const [top, left] = [draw.integer(size - h + 1), draw.integer(size - w + 1)];
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++) {
        const isIn = y >= top && y < top + h && x >= left && x < left + w;
        data[(i * size + y) * size + x] = Math.floor((isIn ? 170 : 20) + 50 * draw.uniform());
      }
  });
  return {
    name: `shapes ${seed}`,
    count,
    items: { kind: 'packed', data, width: size, height: size, channels: 1 },
    labels,
    classes: ['lying', 'standing', 'square'],
  };
}
