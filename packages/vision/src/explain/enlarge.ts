// Small maps as large as their images: bilinear between the middles of their cells (as torch's interpolate without
// align_corners).
import { hostTensor, type HostTensor } from '@brickwork/runtime';

// For each place of the large axis: the two cells that it lies between, and how far it is towards the second.
function between(from: number, to: number): (readonly [number, number, number])[] {
  return Array.from({ length: to }, (_, i) => {
    const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const low = Math.min(from - 1, Math.floor(at));
    return [low, Math.min(from - 1, low + 1), Math.min(1, at - low)] as const;
  });
}

/** Maps (…, H, W) to (…, height, width). */
export function enlarge({ data, shape }: HostTensor, [height, width]: readonly [number, number]): HostTensor {
  const [h, w] = shape.slice(-2) as [number, number];
  const n = data.length / (h * w);
  const [rows, columns] = [between(h, height), between(w, width)];
  const out = new Float32Array(n * height * width);
  let at = 0;
  for (let m = 0; m < n; m++)
    for (const [top, bottom, down] of rows)
      for (const [left, right, over] of columns) {
        const value = (y: number, x: number): number => Number(data[(m * h + y) * w + x]);
        const upper = value(top, left) * (1 - over) + value(top, right) * over;
        out[at++] = upper * (1 - down) + (value(bottom, left) * (1 - over) + value(bottom, right) * over) * down;
      }
  return hostTensor(out, [...shape.slice(0, -2), height, width]);
}
