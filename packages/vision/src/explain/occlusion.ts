// Occlusion (Zeiler and Fergus, 2014): a grey square moves over the image, and where it hides what matters the score falls.
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import type { ImageClassifier, Targets } from './image-classifier.ts';

/** The square, and what it is filled with. */
export interface OcclusionOptions {
  readonly targets?: Targets;
  /** Side of the square in pixels, or (height, width); a quarter of the image unless given. */
  readonly window?: number | readonly [number, number];
  /** How far it moves at a time; half the square unless given. */
  readonly stride?: number | readonly [number, number];
  /** In place of the pixels, as the network gets them; 0 unless given. */
  readonly value?: number;
  /** Images of a run; 32 unless given. */
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** How much the score falls where something is hidden. */
export interface Occlusion {
  /** (B, H, W): of each pixel the mean fall of the class' probability over the squares that hide it; below 0 it rose. */
  readonly maps: HostTensor;
  readonly targets: number[];
}

/** @throws where the square doesn't fit, or moves so far that pixels are left out. */
export async function occlusion(
  classifier: ImageClassifier,
  pixels: HostTensor,
  o: OcclusionOptions = {},
): Promise<Occlusion> {
  const { value = 0, batchSize = 32, signal, onProgress } = o;
  const [B, C, H, W] = pixels.shape as [number, number, number, number];
  const [h, w] = pairOf(o.window ?? [Math.ceil(H / 4), Math.ceil(W / 4)]);
  const [down, over] = pairOf(o.stride ?? [Math.ceil(h / 2), Math.ceil(w / 2)]);
  const isSquare = [h, w, down, over].every((n) => Number.isInteger(n) && n > 0) && h <= H && w <= W;
  if (!isSquare || down > h || over > w)
    throw new Error(
      `occlusion: a window of ${h} by ${w} that moves ${down} and ${over}, on images of ${H} by ${W}; needs whole numbers, a window that fits, and steps no larger than it`,
    );
  if (!(Number.isInteger(batchSize) && batchSize > 0))
    throw new Error(`occlusion: batchSize is ${batchSize}; needs a whole number above 0`);
  const targets = await classifier.targets(pixels, o.targets);
  const { probabilities } = await classifier.classify(pixels);
  const places = starts(H, h, down).flatMap((y) => starts(W, w, over).map((x) => [y, x] as const));
  const [falls, counts] = [new Float64Array(B * H * W), new Uint32Array(B * H * W)];
  const source = pixels.data as Float32Array;
  const size = C * H * W;
  for (let b = 0; b < B; b++)
    for (let first = 0; first < places.length; first += batchSize) {
      signal?.throwIfAborted();
      const some = places.slice(first, first + batchSize);
      const batch = new Float32Array(some.length * size);
      some.forEach(([y, x], i) => {
        batch.set(source.subarray(b * size, (b + 1) * size), i * size);
        for (let c = 0; c < C; c++)
          for (let row = y; row < y + h; row++) {
            const at = i * size + (c * H + row) * W + x;
            batch.fill(value, at, at + w);
          }
      });
      const hidden = await classifier.classify(hostTensor(batch, [some.length, C, H, W]));
      some.forEach(([y, x], i) => {
        const fall = probabilities[b]![targets[b]!]! - hidden.probabilities[i]![targets[b]!]!;
        for (let row = y; row < y + h; row++)
          for (let column = x; column < x + w; column++) {
            falls[(b * H + row) * W + column]! += fall;
            counts[(b * H + row) * W + column]!++;
          }
      });
      onProgress?.({ done: b * places.length + first + some.length, total: B * places.length });
    }
  return {
    maps: hostTensor(
      Float32Array.from(falls, (fall, p) => fall / counts[p]!),
      [B, H, W],
    ),
    targets,
  };
}

// The last square ends with the image.
function starts(length: number, window: number, stride: number): number[] {
  const found: number[] = [];
  for (let at = 0; at < length - window; at += stride) found.push(at);
  return [...found, length - window];
}

const pairOf = (value: number | readonly [number, number]): readonly [number, number] =>
  typeof value === 'number' ? [value, value] : value;
