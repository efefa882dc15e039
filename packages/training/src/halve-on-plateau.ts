// The lecture's rule for the step size: halve it when the validation loss stops improving.

/** When to halve. */
export interface HalveOnPlateauOptions {
  /** Evaluations without improvement before the rate is halved; 1 unless given. */
  readonly patience?: number;
  /** How much lower a loss has to be to count as better, in nats; 0 unless given. */
  readonly threshold?: number;
  /** The smallest share of the full rate; 0 unless given. */
  readonly floor?: number;
}

/** What a checkpoint keeps of it. */
export interface PlateauState {
  readonly share: number;
  /** The lowest loss so far; null before the first. */
  readonly best: number | null;
  readonly waited: number;
}

/** Halves a share of the rate each time the loss has not improved for `patience` evaluations. */
export class HalveOnPlateau {
  readonly #o: Required<HalveOnPlateauOptions>;
  #state: PlateauState = { share: 1, best: null, waited: 0 };

  constructor({ patience = 1, threshold = 0, floor = 0 }: HalveOnPlateauOptions = {}) {
    if (!(Number.isInteger(patience) && patience > 0))
      throw new Error(`HalveOnPlateau: patience is ${patience}; needs a whole number above 0`);
    if (!(threshold >= 0)) throw new Error(`HalveOnPlateau: threshold is ${threshold}; needs 0 or more`);
    if (!(floor >= 0 && floor <= 1)) throw new Error(`HalveOnPlateau: floor is ${floor}; needs 0 to 1`);
    this.#o = { patience, threshold, floor };
  }

  /** The share of the full rate to use now. */
  get share(): number {
    return this.#state.share;
  }

  /** Takes an evaluation's loss into account. */
  observe(loss: number): void {
    const { share, best, waited } = this.#state;
    const { patience, threshold, floor } = this.#o;
    if (best === null || loss < best - threshold) this.#state = { share, best: loss, waited: 0 };
    else if (waited + 1 < patience) this.#state = { share, best, waited: waited + 1 };
    else this.#state = { share: Math.max(floor, share / 2), best, waited: 0 };
  }

  /** For a checkpoint. */
  state(): PlateauState {
    return this.#state;
  }
  /** Goes on from a checkpoint. */
  load(state: PlateauState): void {
    this.#state = { share: state.share, best: state.best, waited: state.waited };
  }
}
