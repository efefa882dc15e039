// The learning-rate finder (Smith, 2017, "Cyclical learning rates for training neural networks"): the step size grows from one
// step to the next until the loss grows with it; the best to train with is where the loss falls fastest.
import { streamSeed } from '@brickwork/nn';
import { clipScale, gradientNorm } from './gradient-norm.ts';
import type { RatePoint } from './loss-curve.ts';
import type { Trainee } from './train-options.ts';
import { decayGroups } from './optimizers/optimizer.ts';

/** Which step sizes are tried, and how. */
export interface FindLearningRateOptions {
  /** The smallest, 1e-7 unless given, and the largest, 1 unless given. */
  readonly low?: number;
  readonly high?: number;
  /** How many are tried at most, evenly by their logarithm; 100 unless given. */
  readonly tries?: number;
  /** Share of the last losses' mean in the next; 0.9 unless given. */
  readonly smoothing?: number;
  /** Ends where the smoothed loss is this many times the lowest; 4 unless given. */
  readonly divergence?: number;
  /** As in training. */
  readonly clip?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** Called after each step. */
  readonly onProgress?: (point: RatePoint & { readonly done: number; readonly of: number }) => void;
}

/** What was found. */
export interface FoundLearningRate {
  readonly points: readonly RatePoint[];
  /** Where the smoothed loss falls fastest; null where it doesn't fall. */
  readonly suggestion: number | null;
}

/**
 * Trains with a step size that grows from `low` to `high`, from the weights that training would begin with, which are there
 * again at the end.
 *
 * @throws where an option makes no sense, or the first loss isn't finite; the signal's reason where it says stop.
 */
export async function findLearningRate<B>(
  trainee: Trainee<B>,
  o: FindLearningRateOptions = {},
): Promise<FoundLearningRate> {
  const { low = 1e-7, high = 1, tries = 100, smoothing = 0.9, divergence = 4, clip = 1, seed = 0, signal } = o;
  if (!(low > 0 && low < high && high < Infinity))
    throw new Error(`findLearningRate: from ${low} to ${high}; needs two numbers above 0, the smaller first`);
  if (!(Number.isInteger(tries) && tries >= 10))
    throw new Error(`findLearningRate: tries is ${tries}; needs a whole number of 10 or more`);
  if (!(smoothing >= 0 && smoothing < 1))
    throw new Error(`findLearningRate: smoothing is ${smoothing}; needs 0 or more and less than 1`);
  if (!(divergence > 1)) throw new Error(`findLearningRate: divergence is ${divergence}; needs a number above 1`);
  const { weights, grads, optimizer, data } = trainee;
  const groups = decayGroups(trainee.parts);
  trainee.initialize();
  const step = await trainee.compile();
  const points: RatePoint[] = [];
  let [mean, lowest] = [0, Infinity];
  try {
    for (let i = 0; i < tries; i++) {
      signal?.throwIfAborted();
      const rate = low * (high / low) ** (i / (tries - 1));
      const { batch } = await data.batch(i);
      const loss = await step.run(batch, streamSeed(seed, `dropout/${i}`) | 0);
      const norm = gradientNorm(grads.data);
      if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
        if (i === 0) throw new Error(`findLearningRate: the first loss is ${loss} and its gradient's norm ${norm}`);
        break;
      }
      mean = smoothing * mean + (1 - smoothing) * loss;
      const smoothed = mean / (1 - smoothing ** (i + 1));
      points.push({ rate, loss, smoothed });
      o.onProgress?.({ ...points.at(-1)!, done: i + 1, of: tries });
      lowest = Math.min(lowest, smoothed);
      if (smoothed > divergence * lowest && i > tries / 10) break;
      const updated = optimizer.update(weights.data, grads.data, groups, {
        step: i + 1,
        rate,
        scale: clipScale(norm, clip),
      });
      if (updated) await updated;
    }
  } finally {
    for (const array of Object.values(optimizer.state)) array.fill(0);
    trainee.initialize();
    await optimizer.dispose?.();
    await step.dispose();
  }
  return { points, suggestion: steepest(points) };
}

// Where the smoothed loss falls fastest by the logarithm of the rate; the ends, where it is hardly smoothed or rises, left out.
function steepest(points: readonly RatePoint[]): number | null {
  const from = Math.min(5, Math.floor(points.length / 10));
  let best: { rate: number; slope: number } | null = null;
  for (let i = from + 2; i < points.length - 2; i++) {
    const [a, b] = [points[i - 2]!, points[i + 2]!];
    const slope = (b.smoothed - a.smoothed) / Math.log(b.rate / a.rate);
    if (slope < 0 && (!best || slope < best.slope)) best = { rate: points[i]!.rate, slope };
  }
  return best?.rate ?? null;
}
