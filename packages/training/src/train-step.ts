// What the training loop drives: something that turns a batch into a loss and gradients.

/** One step of training over weights and gradients that lie in arrays it knows. */
export interface TrainStep<B> {
  /** Computes the mean loss in nats and overwrites the gradients; `seed` decides what dropout drops. */
  run(batch: B, seed: number): Promise<number>;
  /** The mean loss alone, nothing dropped. */
  evaluate(batch: B): Promise<number>;
  /** Where a step that gave no finite loss or gradient first did so, in words; null where it isn't found. */
  diagnose?(batch: B, seed: number): Promise<string | null>;
  /** Floating-point operations of one `run`, and how many per second the machine can do: gives the share of the peak. */
  readonly work?: { readonly perRun: number; readonly peakPerSecond: number };
  dispose(): Promise<void>;
}
