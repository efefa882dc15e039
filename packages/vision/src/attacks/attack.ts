// Adversarial examples: images changed by so little that people see no difference, which a network takes for something else.
// One step along the gradient's sign (FGSM: Goodfellow et al., 2015), many small ones (the basic iterative method: Kurakin et
// al., 2017), or many from a random start, in a cube or a ball (PGD: Madry et al., 2018); away from the right class, or towards
// another one.
import { random, streamSeed } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import type { ImageClassifier, Targets } from '../explain/image-classifier.ts';
import { lossGradients } from './loss-gradients.ts';
import { pixelSpace, type PixelSpace, type PixelSpaceOptions } from './pixel-space.ts';

/** How far an attack may go, and how it goes. */
export interface AttackOptions extends PixelSpaceOptions {
  /** Most that a pixel changes (`linf`), or the image's Euclidean distance (`l2`), in units of the range: 8 / 255, say. */
  readonly epsilon: number;
  /** `linf` unless given. */
  readonly norm?: 'linf' | 'l2';
  /** 1, which is FGSM, unless given. */
  readonly steps?: number;
  /** How far each step goes; ε for one step, 2.5 ε / steps for several, unless given. */
  readonly stepSize?: number;
  /** Begins at a random place within ε; false unless given. */
  readonly randomStart?: boolean;
  /** The right classes; those that the network predicts unless given. */
  readonly labels?: Targets;
  /** Classes to be taken for, instead of anything but the right one. */
  readonly targets?: Targets;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** What an attack came to, with one entry for each image. */
export interface Attacked {
  /** The changed images, normalised as the others: (B, C, H, W). */
  readonly adversarial: HostTensor;
  /** adversarial - pixels. */
  readonly perturbation: HostTensor;
  readonly before: { readonly predicted: number[]; readonly confidence: number[] };
  readonly after: { readonly predicted: number[]; readonly confidence: number[] };
  /** Taken for the target; or, without one, for another class than the right one. */
  readonly succeeded: boolean[];
}

const known = ['epsilon', 'norm', 'steps', 'stepSize', 'randomStart', 'labels', 'targets', 'seed', 'signal'];
known.push('onProgress', 'mean', 'std', 'range');

/**
 * Attacks images (B, C, H, W). What comes out is within ε of them and between black and white.
 *
 * @throws where an option isn't known or makes no sense, a class isn't there, or a pixel is beyond black or white: then mean,
 *   std and range aren't those that the images were made with.
 */
export async function attack(classifier: ImageClassifier, pixels: HostTensor, o: AttackOptions): Promise<Attacked> {
  const { epsilon, norm = 'linf', steps = 1, randomStart = false, seed = 0, signal, onProgress } = o;
  for (const name of Object.keys(o))
    if (!known.includes(name)) throw new Error(`attack: no option ${name}; there are ${known.join(', ')}`);
  if (!(epsilon >= 0 && Number.isFinite(epsilon)))
    throw new Error(`attack: epsilon is ${epsilon}; needs a number from 0`);
  if (norm !== 'linf' && norm !== 'l2')
    throw new Error(`attack: the norm is ${JSON.stringify(norm)}; needs linf or l2`);
  if (!(Number.isInteger(steps) && steps > 0)) throw new Error(`attack: ${steps} steps; needs a whole number above 0`);
  const stepSize = o.stepSize ?? (steps === 1 ? epsilon : (2.5 * epsilon) / steps);
  if (!(stepSize >= 0)) throw new Error(`attack: stepSize is ${stepSize}; needs a number from 0`);
  const first = await classifier.classify(pixels);
  const labels = await classifier.targets(pixels, o.labels);
  const targets = o.targets === undefined ? null : await classifier.targets(pixels, o.targets);
  const space = pixelSpace(pixels.shape[1]!, o);
  const clean = pixels.data as Float32Array;
  checkRange(clean, pixels.shape, space);
  const move = { space, shape: pixels.shape, clean, epsilon, norm };
  let x = Float32Array.from(clean);
  if (randomStart) x = project(scatter(x, move, seed), move);
  for (let step = 0; step < steps; step++) {
    signal?.throwIfAborted();
    const { gradients } = await lossGradients(classifier, hostTensor(x, pixels.shape), targets ?? labels);
    x = project(climb(x, gradients, move, targets ? -stepSize : stepSize), move);
    onProgress?.({ done: step + 1, total: steps });
  }
  const adversarial = hostTensor(x, pixels.shape);
  const last = await classifier.classify(adversarial);
  const sure = ({ predicted, probabilities }: typeof first): { predicted: number[]; confidence: number[] } => ({
    predicted,
    confidence: predicted.map((c, b) => probabilities[b]![c]!),
  });
  return {
    adversarial,
    perturbation: hostTensor(
      x.map((v, i) => v - clean[i]!),
      pixels.shape,
    ),
    before: sure(first),
    after: sure(last),
    succeeded: last.predicted.map((c, b) => (targets ? c === targets[b] : c !== labels[b])),
  };
}

/** {@link attack} in one step along the gradient's sign. */
export const fgsm = (
  classifier: ImageClassifier,
  pixels: HostTensor,
  o: Omit<AttackOptions, 'steps' | 'stepSize' | 'norm' | 'randomStart'>,
): Promise<Attacked> => attack(classifier, pixels, { ...o, steps: 1, norm: 'linf' });

/** {@link attack} in many steps from a random start; 40 unless given. */
export const pgd = (classifier: ImageClassifier, pixels: HostTensor, o: AttackOptions): Promise<Attacked> =>
  attack(classifier, pixels, { steps: 40, randomStart: true, ...o });

interface Move {
  readonly space: PixelSpace;
  readonly shape: readonly number[];
  readonly clean: Float32Array;
  readonly epsilon: number;
  readonly norm: 'linf' | 'l2';
}

// Calls for every value with its image and channel.
function each(shape: readonly number[], visit: (i: number, image: number, channel: number) => void): void {
  const [B, C, H, W] = shape as [number, number, number, number];
  let i = 0;
  for (let b = 0; b < B; b++) for (let c = 0; c < C; c++) for (let p = 0; p < H * W; p++) visit(i++, b, c);
}

/** One step up the loss, `size` in units of the range. */
function climb(x: Float32Array, slope: Float32Array, { space, shape, norm }: Move, size: number): Float32Array {
  const out = Float32Array.from(x);
  const { scale } = space;
  if (norm === 'linf') each(shape, (i, _, c) => (out[i]! += size * scale[c]! * Math.sign(slope[i]!)));
  else {
    // Of a pixel of the range the gradient is that of the network's number times its scale.
    const lengths = new Float64Array(shape[0]!);
    each(shape, (i, b, c) => (lengths[b]! += (slope[i]! * scale[c]!) ** 2));
    each(shape, (i, b, c) => {
      if (lengths[b]! > 0) out[i]! += (size * scale[c]! * slope[i]! * scale[c]!) / Math.sqrt(lengths[b]!);
    });
  }
  return out;
}

/** The nearest place within ε of the clean image and between black and white. */
function project(x: Float32Array, { space, shape, clean, epsilon, norm }: Move): Float32Array<ArrayBuffer> {
  const { low, high, scale } = space;
  const out = Float32Array.from(x);
  if (norm === 'linf')
    each(shape, (i, _, c) => {
      const reach = epsilon * scale[c]!;
      out[i] = Math.min(clean[i]! + reach, Math.max(clean[i]! - reach, out[i]!));
    });
  else {
    const lengths = new Float64Array(shape[0]!);
    each(shape, (i, b, c) => (lengths[b]! += ((out[i]! - clean[i]!) / scale[c]!) ** 2));
    each(shape, (i, b) => {
      const length = Math.sqrt(lengths[b]!);
      if (length > epsilon) out[i] = clean[i]! + ((out[i]! - clean[i]!) * epsilon) / length;
    });
  }
  each(shape, (i, _, c) => (out[i] = Math.min(high[c]!, Math.max(low[c]!, out[i]!))));
  return out;
}

// A random place within ε: uniform in the cube, or in a random direction at a uniform distance in the ball.
function scatter(x: Float32Array, { space, shape, epsilon, norm }: Move, seed: number): Float32Array {
  const out = Float32Array.from(x);
  const size = x.length / shape[0]!;
  const streams = Array.from({ length: shape[0]! }, (_, b) => random(streamSeed(seed, `attack ${b}`)));
  if (norm === 'linf') {
    each(shape, (i, b, c) => (out[i]! += epsilon * space.scale[c]! * (2 * streams[b]!.uniform() - 1)));
    return out;
  }
  const directions = Float64Array.from(x, (_, i) => streams[Math.floor(i / size)]!.normal());
  const reach = streams.map((draw, b) => {
    const own = directions.subarray(b * size, (b + 1) * size);
    return (epsilon * draw.uniform()) / Math.sqrt(own.reduce((sum, d) => sum + d * d, 0));
  });
  each(shape, (i, b, c) => (out[i]! += directions[i]! * reach[b]! * space.scale[c]!));
  return out;
}

// Half a step of 8 bits is rounding.
function checkRange(clean: Float32Array, shape: readonly number[], { low, high, scale }: PixelSpace): void {
  each(shape, (i, b, c) => {
    const slack = (0.5 / 255) * scale[c]! * 1.001;
    if (clean[i]! < low[c]! - slack || clean[i]! > high[c]! + slack)
      throw new Error(
        `attack: image ${b} has ${clean[i]} in channel ${c}; black is ${low[c]} and white ${high[c]} there: give the mean, std and range that the images were normalised by`,
      );
  });
}
