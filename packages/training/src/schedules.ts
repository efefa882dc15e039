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

/** What some schedules are made from besides. */
export interface ShapeOptions {
  /** `polynomial`: the exponent; 1 unless given. */
  readonly power?: number;
  /** `cosine_with_restarts`: how often the rate falls; 1 unless given. */
  readonly cycles?: number;
  /** `step`: after this many steps the rate is multiplied by `gamma`; a third of all unless given. */
  readonly stepEvery?: number;
  /** `step`: 0.1 unless given. */
  readonly gamma?: number;
  /** `warmup_stable_decay`: steps over which the rate falls at the end; a tenth of all unless given. */
  readonly decaySteps?: number;
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
/** (1 - done)^power, from the full rate to the floor after warm-up. */
export const polynomialSchedule = ({ power = 1, ...o }: ScheduleOptions & Pick<ShapeOptions, 'power'>): Schedule => {
  if (!(power > 0)) throw new Error(`schedule: power is ${power}; needs a number above 0`);
  return after(o, (done) => (1 - done) ** power);
};
/** Half cosines from the full rate to the floor, one after another (Loshchilov and Hutter, 2017). */
export const cosineWithRestartsSchedule = ({
  cycles = 1,
  ...o
}: ScheduleOptions & Pick<ShapeOptions, 'cycles'>): Schedule => {
  if (!(Number.isInteger(cycles) && cycles > 0))
    throw new Error(`schedule: cycles is ${cycles}; needs a whole number above 0`);
  return after(o, (done) => (done >= 1 ? 0 : (1 + Math.cos(Math.PI * ((cycles * done) % 1))) / 2));
};
/**
 * 1/√step, continued from the full rate at the end of the warm-up, whatever the number of steps (Vaswani et al., 2017): with
 * a warm-up of W it is √((W + 1) / step).
 */
export const inverseSqrtSchedule = (o: ScheduleOptions): Schedule => {
  const warm = after({ ...o, floor: 0 }, () => 1);
  const { warmup = 0 } = o;
  return (step) => (step <= warmup ? warm(step) : Math.sqrt((warmup + 1) / step));
};
/** Multiplied by gamma every so many steps after warm-up, never below the floor. */
export const stepSchedule = ({
  stepEvery,
  gamma = 0.1,
  ...o
}: ScheduleOptions & Pick<ShapeOptions, 'stepEvery' | 'gamma'>): Schedule => {
  const { steps, warmup = 0, floor = 0 } = o;
  const every = stepEvery ?? Math.max(1, Math.ceil(steps / 3));
  if (!(Number.isInteger(every) && every > 0))
    throw new Error(`schedule: stepEvery is ${stepEvery}; needs a whole number above 0`);
  if (!(gamma > 0 && gamma <= 1)) throw new Error(`schedule: gamma is ${gamma}; needs above 0 and up to 1`);
  const warm = after(o, () => 1);
  return (step) => (step <= warmup ? warm(step) : Math.max(floor, gamma ** Math.floor((step - warmup - 1) / every)));
};
/**
 * One cycle (Smith, 2018; as PyTorch's OneCycleLR): by a half cosine from a 25th of the rate up to all of it in the first
 * three tenths of the steps, and down to a 250,000th, or the floor, in the others. It has its own warm-up.
 */
export const oneCycleSchedule = (o: ScheduleOptions): Schedule => {
  const { steps, warmup = 0, floor = 0 } = o;
  if (warmup)
    throw new Error(`schedule: one cycle warms up over three tenths of the steps; leave out warmup ${warmup}`);
  after(o, () => 1);
  const [first, last] = [1 / 25, Math.max(floor, 1 / 25 / 1e4)];
  const top = 0.3 * steps - 1;
  const between = (from: number, to: number, done: number): number =>
    to + ((from - to) * (1 + Math.cos(Math.PI * Math.min(1, done)))) / 2;
  return (step) => {
    const t = step - 1;
    return t <= top || steps === 1
      ? between(first, 1, top > 0 ? t / top : 1)
      : between(1, last, (t - top) / Math.max(1, steps - 1 - top));
  };
};
/** Warm-up, the full rate, and a straight line to the floor over the last steps (Hu et al., 2024, "MiniCPM"). */
export const warmupStableDecaySchedule = ({
  decaySteps,
  ...o
}: ScheduleOptions & Pick<ShapeOptions, 'decaySteps'>): Schedule => {
  const { steps, warmup = 0, floor = 0 } = o;
  const own = decaySteps ?? Math.max(1, Math.round(steps / 10));
  if (!(Number.isInteger(own) && own > 0 && own + warmup <= steps))
    throw new Error(
      `schedule: decaySteps is ${own} after a warm-up of ${warmup}, and there are ${steps} steps; needs a whole number from 1 to ${steps - warmup}`,
    );
  const warm = after(o, () => 1);
  return (step) => (step <= warmup ? warm(step) : floor + (1 - floor) * Math.min(1, Math.max(0, (steps - step) / own)));
};

/** The schedules by name, as Hugging Face's trainer calls them where it has them. */
export const schedules: Readonly<Record<string, (o: ScheduleOptions & ShapeOptions) => Schedule>> = {
  constant: constantSchedule,
  linear: linearSchedule,
  cosine: cosineSchedule,
  cosine_with_restarts: cosineWithRestartsSchedule,
  polynomial: polynomialSchedule,
  inverse_sqrt: inverseSqrtSchedule,
  step: stepSchedule,
  one_cycle: oneCycleSchedule,
  warmup_stable_decay: warmupStableDecaySchedule,
  // Halved by the loop.
  plateau: constantSchedule,
};
/** The names of {@link schedules}. */
export type ScheduleName =
  | 'constant'
  | 'linear'
  | 'cosine'
  | 'cosine_with_restarts'
  | 'polynomial'
  | 'inverse_sqrt'
  | 'step'
  | 'one_cycle'
  | 'warmup_stable_decay'
  | 'plateau';
