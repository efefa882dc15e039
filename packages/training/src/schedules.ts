// How the step size changes while training.

/** The share of the full step size at a step, counted from 1. */
export type Schedule = (step: number) => number;

/** What a schedule is made from. */
export interface ScheduleOptions {
  /** Steps of the whole training. */
  readonly steps: number;
  /** Steps over which the rate rises from 0: step k of W has k/(W+1) of it; 0 unless given. */
  readonly warmup?: number;
  /** Share that is left at the last step; 0 unless given. */
  readonly floor?: number;
}

function after({ warmup = 0, steps, floor = 0 }: ScheduleOptions, shape: (done: number) => number): Schedule {
  if (!(Number.isInteger(steps) && steps > 0))
    throw new Error(`schedule: steps is ${steps}; needs a whole number above 0`);
  if (!(Number.isInteger(warmup) && warmup >= 0 && warmup <= steps))
    throw new Error(`schedule: warmup is ${warmup} of ${steps} steps; needs a whole number from 0 to ${steps}`);
  if (!(floor >= 0 && floor <= 1)) throw new Error(`schedule: floor is ${floor}; needs 0 to 1`);
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
