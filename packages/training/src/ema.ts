// A moving average of the weights (Polyak and Juditsky, 1992): smoother than the weights themselves, it often does better.

/** Averages weights as they change. */
export interface MovingAverage {
  /** What a checkpoint keeps. */
  readonly values: Float32Array;
  /** Begins with these weights. */
  begin(weights: Float32Array): void;
  /** Takes the weights after a step, counted from 1, into account. */
  update(weights: Float32Array, step: number): void;
  /** Puts the average in the weights' place and the weights in its own; once more puts both back. */
  swap(weights: Float32Array): void;
}

/**
 * e = d e + (1 - d) w after every step, with d = min(decay, (1 + t) / (10 + t)), so that the first steps are soon forgotten.
 *
 * @param decay such as 0.999: the average is over the last 1 / (1 - decay) steps or so
 */
export function movingAverage(values: Float32Array, decay: number): MovingAverage {
  if (!(decay > 0 && decay < 1)) throw new Error(`ema: the decay is ${decay}; needs to be between 0 and 1`);
  return {
    values,
    begin: (weights) => values.set(weights),
    update(weights, step) {
      const share = 1 - Math.min(decay, (1 + step) / (10 + step));
      for (let i = 0; i < values.length; i++) values[i] = values[i]! + share * (weights[i]! - values[i]!);
    },
    swap(weights) {
      for (let i = 0; i < values.length; i++) {
        const own = values[i]!;
        values[i] = weights[i]!;
        weights[i] = own;
      }
    },
  };
}
