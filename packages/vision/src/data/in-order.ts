// All images of a set, in order and each as it always is, asked for ahead of time.
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import type { ImageCrew } from './image-crew.ts';
import type { ImageSet } from './image-set.ts';
import { imageSeed, type ImageAnswer } from './read-image.ts';

/** Some images of a set, ready for the network. */
export interface ReadImages {
  /** (B, C, H, W). */
  readonly images: HostTensor;
  /** Their numbers in the set. */
  readonly indices: readonly number[];
}

/** How they are asked for. */
export interface InOrderOptions {
  readonly batchSize: number;
  /** Batches that are asked for ahead of the one that is needed. */
  readonly ahead: number;
  /** Called with each broken image, which is left out. Without it such an image is an error. */
  readonly onBroken?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
}

/** @throws where an image is broken and nobody hears of it, or they differ in size. */
export async function* inOrder(
  { count }: ImageSet,
  crew: ImageCrew,
  { batchSize: B, ahead, onBroken, signal, onProgress }: InOrderOptions,
): AsyncGenerator<ReadImages, void, void> {
  const asked: { readonly indices: number[]; readonly answer: Promise<ImageAnswer> }[] = [];
  for (let done = 0, first = 0; done < count;) {
    signal?.throwIfAborted();
    for (; first < count && asked.length <= ahead; first += B) {
      const indices = Array.from({ length: Math.min(B, count - first) }, (_, k) => first + k);
      const answer = crew.prepare({ indices, seeds: indices.map((i) => imageSeed(0, 0, i)) });
      answer.catch(() => {}); // who waits for it hears of it
      asked.push({ indices, answer });
    }
    const { indices, answer } = asked.shift()!;
    const found = leaveOutBroken(indices, await answer, onBroken);
    if (found) yield found;
    done += indices.length;
    onProgress?.({ done, total: count });
  }
}

// Images of an answer without those that are broken; null where none is left.
function leaveOutBroken(
  indices: readonly number[],
  { values, shape, broken }: ImageAnswer,
  onBroken?: (message: string) => void,
): ReadImages | null {
  if (broken.length && !onBroken) throw new Error(broken[0]!.message);
  for (const { message } of broken) onBroken!(message);
  const lost = new Set(broken.map(({ at }) => at));
  const kept = indices.map((_, k) => k).filter((k) => !lost.has(k));
  if (!kept.length || !shape) return null;
  const size = shape[0] * shape[1] * shape[2];
  const own = broken.length ? new Float32Array(kept.length * size) : values;
  if (broken.length) kept.forEach((k, to) => own.set(values.subarray(k * size, (k + 1) * size), to * size));
  return { images: hostTensor(own, [kept.length, ...shape]), indices: kept.map((k) => indices[k]!) };
}
