// How the step size changes while training.

/** The share of the full step size at a step, counted from 1. */
export type Schedule = (step: number) => number;

/** What a schedule is made from. */
export interface ScheduleOptions {
  /** Steps over which the rate rises from 0. */
  readonly warmup?: number;
  /** Steps of the whole training. */
  readonly steps: number;
  /** Share that is left at the end; 0 unless given. */
  readonly floor?: number;
}

function after({ warmup = 0, steps, floor = 0 }: ScheduleOptions, shape: (done: number) => number): Schedule {
  if (!(steps > 0) || !(warmup >= 0) || warmup > steps)
    throw new Error(`schedule: warm-up of ${warmup} in ${steps} steps; needs 0 to ${steps}`);
  return (step) => {
    if (step <= warmup) return step / (warmup + 1);
    const done = Math.min(1, (step - warmup - 1) / Math.max(1, steps - warmup - 1));
    return floor + (1 - floor) * shape(done);
  };
}

/** The same rate after warm-up. */
export const constantSchedule = (o: ScheduleOptions): Schedule => after(o, () => 1);
/** A straight line from the full rate to the floor after warm-up. */
export const linearSchedule = (o: ScheduleOptions): Schedule => after(o, (done) => 1 - done);
/** Half a cosine from the full rate to the floor after warm-up (Loshchilov and Hutter, 2017, without restarts). */
export const cosineSchedule = (o: ScheduleOptions): Schedule => after(o, (done) => (1 + Math.cos(Math.PI * done)) / 2);

/** Halves a share each time the validation loss has not improved for `patience` evaluations, as the lecture does. */
export class HalveOnPlateau {
  share = 1;
  best: number = Infinity;
  waited = 0;
  readonly patience: number;
  constructor(patience = 1) {
    if (!(Number.isInteger(patience) && patience > 0))
      throw new Error(`HalveOnPlateau: patience is ${patience}; needs a whole number above 0`);
    this.patience = patience;
  }
  /** Takes an evaluation's loss into account. */
  observe(loss: number): void {
    if (loss < this.best) {
      this.best = loss;
      this.waited = 0;
    } else if (++this.waited >= this.patience) {
      this.share /= 2;
      this.waited = 0;
    }
  }
}
