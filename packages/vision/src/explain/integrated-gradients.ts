// Integrated gradients (Sundararajan et al., 2017): what each pixel adds to the score on the straight way from a baseline to the
// image. Together they are the difference of the two scores.
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import type { ImageClassifier, Targets } from './image-classifier.ts';
import { pixelGradients } from './pixel-gradients.ts';

/** How the way is integrated. */
export interface IntegratedGradientsOptions {
  readonly targets?: Targets;
  /** Where the way begins: an image as the others, or one number for all pixels; 0 unless given. */
  readonly baseline?: HostTensor | number;
  /** Points of the way, in the middle of as many equal parts; 50 unless given. */
  readonly steps?: number;
  readonly of?: 'logit' | 'logProbability';
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** What each pixel adds, with how far the sum is off. */
export interface IntegratedGradients {
  /** As the images: (B, C, H, W). */
  readonly attributions: HostTensor;
  readonly targets: number[];
  /** Of each image: the attributions' sum minus the difference of the scores. More steps bring it to 0. */
  readonly gaps: number[];
}

/** @throws where the baseline isn't an image as the others, or the steps aren't a whole number above 0. */
export async function integratedGradients(
  classifier: ImageClassifier,
  pixels: HostTensor,
  o: IntegratedGradientsOptions = {},
): Promise<IntegratedGradients> {
  const { baseline = 0, steps = 50, of = 'logit', signal, onProgress } = o;
  if (!(Number.isInteger(steps) && steps > 0))
    throw new Error(`integratedGradients: ${steps} steps; needs a whole number above 0`);
  const { data, shape } = pixels as { data: Float32Array; shape: readonly number[] };
  const [B, size] = [shape[0]!, data.length / shape[0]!];
  const from = typeof baseline === 'number' ? new Float32Array(data.length).fill(baseline) : spread(baseline, pixels);
  const targets = await classifier.targets(pixels, o.targets);
  const total = new Float64Array(data.length);
  for (let i = 0; i < steps; i++) {
    const at = (i + 0.5) / steps;
    const x = hostTensor(
      Float32Array.from(data, (v, p) => from[p]! + at * (v - from[p]!)),
      shape,
    );
    const { gradients } = await pixelGradients(classifier, x, { targets, of, ...(signal && { signal }) });
    (gradients.data as Float32Array).forEach((g, p) => (total[p]! += g));
    onProgress?.({ done: i + 1, total: steps });
  }
  const attributions = Float32Array.from(total, (g, p) => (g / steps) * (data[p]! - from[p]!));
  const scoresOf = async (x: HostTensor): Promise<number[]> => {
    const { logits, probabilities } = await classifier.classify(x);
    return targets.map((c, b) => (of === 'logit' ? logits[b]![c]! : Math.log(probabilities[b]![c]!)));
  };
  const [there, here] = [await scoresOf(pixels), await scoresOf(hostTensor(from, shape))];
  const gaps = Array.from({ length: B }, (_, b) => {
    const sum = attributions.subarray(b * size, (b + 1) * size).reduce((a, v) => a + v, 0);
    return sum - (there[b]! - here[b]!);
  });
  return { attributions: hostTensor(attributions, shape), targets, gaps };
}

// A baseline for all images of a batch, or for each.
function spread(baseline: HostTensor, pixels: HostTensor): Float32Array {
  const size = pixels.data.length / pixels.shape[0]!;
  const fits = baseline.dtype === 'float32' && baseline.shape.slice(-3).join() === pixels.shape.slice(-3).join();
  if (!fits || ![size, pixels.data.length].includes(baseline.data.length))
    throw new Error(
      `integratedGradients: the baseline is ${baseline.dtype} (${baseline.shape.join(', ')}); needs float32 as the images are, (${pixels.shape.join(', ')})`,
    );
  return Float32Array.from(pixels.data as Float32Array, (_, p) => Number(baseline.data[p % baseline.data.length]));
}
